"""Resolution of the references among a transaction's entries: https://hl7.org/fhir/R4/http.html#trules."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from fhir_dmp.interactions.conditional import parse_criteria, split_criteria
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.request import Request
from fhir_dmp.interactions.writing import Written
from fhir_dmp.outcome import Category, error
from fhir_dmp.reference import Slot, is_conditional, rewrite
from fhir_dmp.resource import Identity
from fhir_dmp.search.match import matches
from fhir_dmp.search.query import Clause
from fhir_dmp.store.port import Writer

_RESTFUL = re.compile(r"(https?://.+/)([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})(/_history/[^/]+)?")
_RELATIVE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")


async def resolve_references(context: Context, writer: Writer, located: Sequence[Written]) -> None:
    """Writes into every pointer what it leads to; raises FhirError where a conditional reference has no one target."""
    by_full_url = {row.entry.full_url: str(row.identity) for row in located if row.entry.full_url and row.identity}
    conditional: dict[str, Written] = {}
    for row in located:
        targets = _targets_of(row, by_full_url)
        for slot in row.slots:
            rewrite(slot, targets)
            if is_conditional(slot):
                conditional.setdefault(slot.original, row)
    if conditional:
        found = {text: await _resolve(context, writer, located, text, row) for text, row in conditional.items()}
        for row in located:
            for slot in filter(is_conditional, row.slots):
                rewrite(slot, found)


def _targets_of(row: Written, by_full_url: Mapping[str, str]) -> Mapping[str, str]:
    """Adds the relative references that the entry's own RESTful fullUrl gives a meaning."""
    root = _RESTFUL.fullmatch(row.entry.full_url)
    if not root:
        return by_full_url
    inside = {slot.original: root[1] + slot.original for slot in row.slots if _is_relative(slot)}
    return {**by_full_url, **{short: by_full_url[full] for short, full in inside.items() if full in by_full_url}}


def _is_relative(slot: Slot) -> bool:
    return slot.is_reference and _RELATIVE.fullmatch(slot.original) is not None


async def _resolve(context: Context, writer: Writer, located: Sequence[Written], text: str, row: Written) -> str:
    """Returns the one resource that criteria match, as it will be after this transaction."""
    resource_type, _, criteria = text.partition("?")
    request = Request(row.entry.request.requester, resource_type)
    restriction = open_gate(context, request, "search-type")
    touched = {other.identity for other in located if other.identity and not other.is_existing_match}
    count = 2 + sum(identity.resource_type == resource_type for identity in touched)
    query = parse_criteria(context, resource_type, split_criteria(criteria), row.entry.at, count=count)
    stored = await writer.search(query, restriction)
    found = {version.identity for version in stored.versions} - touched
    for other in located:
        if other.identity in touched and other.identity and other.entry.request.resource is not None:
            found |= _match_inside(context, other.identity, other, query.clause)
    if len(found) != 1:
        how = "several resources" if found else "nothing"
        message = f"The conditional reference {text[:200]} matches {how}; it needs exactly one."
        raise error(Category.PRECONDITION_FAILED, "reference-conditional", message, row.entry.at)
    return str(found.pop())


def _match_inside(context: Context, identity: Identity, row: Written, clause: Clause) -> set[Identity]:
    """The entry's resource, where it matches too."""
    resource = row.entry.request.resource
    if resource is None or resource["resourceType"] != identity.resource_type:
        return set()
    return {identity} if matches(clause, context.indexer.facts({**resource, "id": identity.resource_id})) else set()
