"""References and canonicals as the texts by which search finds them.

https://hl7.org/fhir/R4/search.html#reference and https://hl7.org/fhir/R4/references.html#canonical. A URL below our own
base is the relative reference it ends in; a versioned one is found with and without its version.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

OF_TYPE = "of-type"
"""Behind the parameter's name and a colon, it makes the parameter of the links that `identified` writes."""
EXACT, IDENTIFIER, MISSING, TEXT, UCUM = "exact", "identifier", "missing", "text", "ucum"
"""So too the other facts that a modifier, or a unit, asks for."""
_SHORT = 256
"""Characters of a reference that is kept, with what it is found by."""
_REFERENCE = re.compile(r"([A-Z][A-Za-z]*)/([A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-.]{1,64}))?")
_FOREIGN = re.compile(r"(.+/([A-Z][A-Za-z]*)/[A-Za-z0-9\-.]{1,64})/_history/[A-Za-z0-9\-.]{1,64}", re.DOTALL)
_PATIENT = re.compile(r"Patient/([A-Za-z0-9\-.]{1,64})")
_TYPE = re.compile(r"(?:.*/)?([A-Z][A-Za-z]*)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?", re.DOTALL)


class RelativeReference(NamedTuple):
    """`Patient/23/_history/4` in its parts; the version is "" where there is none."""

    resource_type: str
    resource_id: str
    version_id: str


def relative_to(base_url: str, text: str) -> str:
    """Returns a URL below our base without the base, and any other text as it is."""
    return text.removeprefix(base_url + "/")


def bare_link(base_url: str, text: str) -> str:
    """Returns a URL below our base without the base and without a version, and any other text without a version."""
    return relative_to(base_url, text).partition("/_history/")[0]


def split_reference(text: str, resource_types: Collection[str]) -> RelativeReference | None:
    """Returns the parts of a relative reference to one of some types; None for any other text."""
    found = _REFERENCE.fullmatch(text)
    if found is None or found[1] not in resource_types:
        return None
    return RelativeReference(found[1], found[2], found[3] or "")


def reference_texts(reference: str, base_url: str, resource_types: frozenset[str]) -> tuple[str, ...]:
    """Returns the texts by which a Reference.reference is found; none for a contained or malformed one."""
    find = _find_texts if len(reference) <= _SHORT else _find_texts.__wrapped__
    return find(reference, base_url, resource_types)


@lru_cache(maxsize=16384)
def _find_texts(reference: str, base_url: str, resource_types: frozenset[str]) -> tuple[str, ...]:
    link = relative_to(base_url, reference)
    relative = split_reference(link, resource_types)
    if relative:
        bare = f"{relative.resource_type}/{relative.resource_id}"
        return (bare, link) if relative.version_id else (bare,)
    if ":" not in link or link.startswith("#"):
        return ()
    foreign = _FOREIGN.fullmatch(link)
    return (foreign[1], link) if foreign and foreign[2] in resource_types else (link,)


def canonical_texts(canonical: str) -> tuple[str, ...]:
    """Returns the texts by which a canonical is found: without its version, and with it where it has one."""
    url, _, version = canonical.partition("|")
    return (url, canonical) if version else (url,)


def identified(system: str, code: str, value: str) -> str:
    """Returns the text by which an identifier is found by the coding of its type, and its value; case is none."""
    parts = (part.replace("%", "%25").replace("|", "%7C") for part in (system, code.casefold()))
    return "|".join((*parts, value.casefold()))


def type_of(reference: str, declared: str = "") -> str:
    """Returns the type that a reference leads to, by its URL or else as declared (Reference.type); "" if unknown."""
    found = _TYPE.fullmatch(reference)
    return found[1] if found else declared


def patient_id(text: str) -> str:
    """Returns the id in `Patient/23`, and "" for any other text."""
    found = _PATIENT.fullmatch(text)
    return found[1] if found else ""
