"""Value sets that a search names by their place here, `code:in=ValueSet/23`: https://hl7.org/fhir/R4/search.html#token.

The URI of `:in` and `:not-in` is first the literal reference to a ValueSet, and only then the `url` of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fhir_dmp.conformance.rules import Rules
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.outcome import Category, error
from fhir_dmp.resource import Identity
from fhir_dmp.search.escape import split, unescape
from fhir_dmp.search.links import relative_to, split_reference
from fhir_dmp.search.terms import Terms
from fhir_dmp.terminology.terminology import Terminology

_MOST = 16
"""Value sets that one search may name by their place: each is read and compiled for it."""
_MODIFIERS = (":in", ":not-in")
_UNNAMED = "urn:fhir-dmp:stored"
"""Stands for the canonical of a value set that has none."""


@dataclass(frozen=True, slots=True)
class _LocalTerms:
    """Terms that know some value sets by their place too: the terminology of each, and its canonical."""

    terms: Terms
    local: Mapping[str, tuple[Terms, str]]

    def members(self, value_set: str, limit: int) -> Sequence[tuple[str, str]]:
        terms, canonical = self.local.get(value_set, (self.terms, value_set))
        return terms.members(canonical, limit)

    def narrower(self, system: str, code: str) -> Sequence[str]:
        return self.terms.narrower(system, code)

    def wider(self, system: str, code: str) -> Sequence[str]:
        return self.terms.wider(system, code)


async def find_terms(context: Context, request: Request) -> Terms:
    """Returns the terminology for a search, with the stored value sets that it names as the requester may read them.

    Raises FhirError: too costly where there are too many; forbidden where the requester may read none.
    """
    rules = context.rules()
    named = dict(_literals(context, request))
    if not named:
        return rules.terminology
    if len(named) > _MOST:
        message = f"A search names at most {_MOST} value sets by their place."
        name = next(name for name, _ in request.parameters if name.endswith(_MODIFIERS))
        raise error(Category.TOO_COSTLY, "search-too-costly", message, f"http.{name[:64]}")
    asked = replace(request, resource_type="ValueSet", resource_id="")
    identities = list(dict.fromkeys(named.values()))
    restriction = await open_gate(context, asked, "read", identities=identities)
    found = await context.reader.read(identities, restriction)
    contents = {identity: version.content for identity, version in found.items() if version.content is not None}
    local = {identity: _open(rules, parse_json_object(content)) for identity, content in contents.items()}
    return _LocalTerms(rules.terminology, {text: local[name] for text, name in named.items() if name in local})


def _literals(context: Context, request: Request) -> Iterator[tuple[str, Identity]]:
    """The texts among the values that are literal references to value sets here."""
    values = [value for name, value in request.parameters if name.endswith(_MODIFIERS) and "ValueSet/" in value]
    for text in (unescape(part) for value in values for part in split(value, ",")):
        literal = split_reference(relative_to(context.base_url, text), {"ValueSet"})
        if literal and not literal.version_id:
            yield text, Identity("ValueSet", literal.resource_id)


def _open(rules: Rules, resource: JsonObject) -> tuple[Terms, str]:
    """The terminology in which a stored value set is the one with its canonical."""
    canonical = str(resource.get("url", _UNNAMED))

    def look_up(wanted: str) -> JsonObject | None:
        return {**resource, "url": canonical} if wanted == canonical else rules.find(wanted)

    return Terminology(look_up), canonical
