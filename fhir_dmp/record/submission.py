"""A submission set: the List that says what was submitted together, by whom, and under which name. Pure.

IHE MHD, https://profiles.ihe.net/ITI/MHD/StructureDefinition-IHE.MHD.Minimal.SubmissionSet.html; in France PDSm,
pdsm-submissionset-comprehensive. Its uniqueId names one submission for ever (IHE ITI TF-3 4.2.3.3.12).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fhir_dmp.access.change import Item
from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import Issue
from fhir_dmp.search.links import relative_to

LIST = "List"
_TYPES = "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes"
_CODE = (_TYPES, "submissionset")
_SHARING = frozenset({_CODE, (_TYPES, "folder")})
_RELATED = frozenset({"appends", "transforms", "signs"})
"""How a document is related to one that stays as it is."""
_MHD = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD"
SUBMISSIONS = frozenset({
    "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-comprehensive-provide-document-bundle",
    f"{_MHD}.Minimal.ProvideBundle",
    f"{_MHD}.Comprehensive.ProvideBundle",
    f"{_MHD}.UnContained.Comprehensive.ProvideBundle",
})  # fmt: skip
"""The profiles of a Bundle that is a submission (ITI-65)."""
_SOURCE_ID = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-sourceId"
_UNIQUE_ID, _ENTRY_UUID = "usual", "official"
"""The uses of identifiers that name one."""


def find_submission_faults(bundle: JsonObject, resources: Iterable[tuple[str, JsonObject]]) -> list[Issue]:
    """Returns what is wrong with the sets of a Bundle that claims to be a submission: it has one, which is its List.

    `resources` are what its entries write, each with the expression of its entry.
    """
    claimed = {url.partition("|")[0] for url in bundle.get("meta", {}).get("profile", ())}
    if claimed.isdisjoint(SUBMISSIONS):
        return []
    places = [at for at, resource in resources if _CODE in _codes(resource)]
    if not places:
        message = "A submission (ITI-65) has a List with the code submissionset: this Bundle has none."
        return [Issue("error", "submission-set", message, "Bundle.entry", "required")]
    message = f"A submission (ITI-65) has one List with the code submissionset, which is {places[0]}."
    return [Issue("error", "submission-set", message, f"{at}.resource.code") for at in places[1:]]


def names_of_submission(resource: JsonObject) -> list[str]:
    """Returns what names a submission set: its uniqueId and entryUUID as `system|value`; none of any other List."""
    if _CODE not in _codes(resource):
        return []
    return [*_identifiers(resource, _UNIQUE_ID), *_identifiers(resource, _ENTRY_UUID)]


def _identifiers(resource: JsonObject, use: str) -> list[str]:
    rows = [row for row in resource.get("identifier", ()) if row.get("use") == use]
    return [_write(row) for row in rows if row.get("system") and row.get("value")]


def is_sharing(resource: JsonObject) -> bool:
    """Tells whether a resource is a submission set or a folder."""
    return not _codes(resource).isdisjoint(_SHARING)


def find_related(resource: JsonObject) -> Iterator[tuple[str, str]]:
    """Yields what a submission set or folder holds, or a document is related to: references, with the expressions.

    What a document replaces is not among them.
    """
    if is_sharing(resource):
        for index, row in enumerate(resource.get("entry", ())):
            yield from _reference(row.get("item", {}), f"{LIST}.entry[{index}].item")
    elif resource.get("resourceType") == "DocumentReference":
        for index, row in enumerate(resource.get("relatesTo", ())):
            if row.get("code") in _RELATED:
                yield from _reference(row.get("target", {}), f"DocumentReference.relatesTo[{index}].target")


def _reference(reference: JsonObject, at: str) -> Iterator[tuple[str, str]]:
    if text := reference.get("reference"):
        yield text, at


def _codes(resource: JsonObject) -> set[tuple[str | None, str | None]]:
    """The codes of a List; none of any other resource."""
    codings = resource.get("code", {}).get("coding", ()) if resource.get("resourceType") == LIST else ()
    return {(row.get("system"), row.get("code")) for row in codings}


def is_same_submission(new: Item, other: Item, base_url: str) -> bool:
    """Tells whether two submission sets of one name are one: the same source submits the same for the same patient.

    Nor has either another uniqueId. What is said about it (date, title, note) may have been written anew by who sends
    again.
    """
    if new.facts.patient != other.facts.patient or new.marks("author") != other.marks("author"):
        return False
    ids = [set(_identifiers(item.resource, _UNIQUE_ID)) for item in (new, other)]
    if all(ids) and ids[0].isdisjoint(ids[1]):
        return False
    one, two = (_submitted(item.resource, base_url) for item in (new, other))
    return one == two


def _submitted(resource: JsonObject, base_url: str) -> tuple[frozenset[str], frozenset[str]]:
    """The source's identifiers, and what was submitted: each once, in no order."""
    extensions = [row for row in resource.get("extension", ()) if row.get("url") == _SOURCE_ID]
    items = [row.get("item", {}) for row in resource.get("entry", ())]
    return (
        frozenset(_write(row.get("valueIdentifier", {})) for row in extensions),
        frozenset(relative_to(base_url, item.get("reference") or _write(item.get("identifier", {}))) for item in items),
    )


def _write(identifier: JsonObject) -> str:
    return f"{identifier.get('system', '')}|{identifier.get('value', '')}"
