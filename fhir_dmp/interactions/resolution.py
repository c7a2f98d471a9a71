"""Resolution of the references among a transaction's entries: https://hl7.org/fhir/R4/http.html#trules."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import replace

from fhir_dmp.access.feeding import RecordStatus
from fhir_dmp.interactions.conditional import parse_criteria, split_criteria
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.entry import within_entry
from fhir_dmp.interactions.feeding import feeds, find_record
from fhir_dmp.interactions.gate import check_exposed, open_gate
from fhir_dmp.interactions.request import Request
from fhir_dmp.interactions.writing import Written
from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import Category, error
from fhir_dmp.reference import is_conditional, rewrite
from fhir_dmp.resource import Identity
from fhir_dmp.search.match import matches
from fhir_dmp.search.query import Clause, SearchQuery
from fhir_dmp.store.port import Writer

_RESTFUL = re.compile(r"(https?://.+/)([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})(/_history/[^/]+)?")
_VERSION = "/_history/"
_PATIENT = "Patient"
_BY_CRITERIA = f"{_PATIENT}?"
_RELATIVE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")


async def resolve_references(context: Context, writer: Writer, located: Sequence[Written]) -> None:
    """Writes into every pointer what it leads to; raises FhirError where a conditional reference has no one target."""
    by_full_url = {row.entry.full_url: row for row in located if row.entry.full_url and row.identity}
    named = {url: str(row.identity) for url, row in by_full_url.items()}
    conditional: dict[str, Written] = {}
    for row in located:
        targets = ChainMap(_targets_of(row, by_full_url), named)
        for slot in row.slots:
            rewrite(slot, targets)
            if is_conditional(slot):
                conditional.setdefault(slot.original, row)
    if conditional:
        found = {text: await _resolve(context, writer, located, text, row) for text, row in conditional.items()}
        for row in located:
            for slot in filter(is_conditional, row.slots):
                rewrite(slot, found)


def _targets_of(row: Written, by_full_url: Mapping[str, Written]) -> dict[str, str]:
    """The targets of this entry's references alone: of relative ones, by its RESTful fullUrl, and of versioned ones.

    A reference to whatever version of an entry's resource becomes one to the version that the entry makes.
    """
    root = _RESTFUL.fullmatch(row.entry.full_url)
    targets = {}
    for slot in row.slots:
        url, versioned, _ = slot.original.partition(_VERSION) if slot.is_reference else ("", "", "")
        is_relative = _RELATIVE.fullmatch(url) is not None
        target = by_full_url.get(root[1] + url if root and is_relative else url)
        if target and (versioned or is_relative):
            suffix = f"{_VERSION}{target.version_id}" if versioned else ""
            targets[slot.original] = f"{target.identity}{suffix}"
    return targets


async def name_subject(context: Context, request: Request, document: JsonObject) -> JsonObject:
    """Returns a deposit whose subject is the one stored Patient whom its criteria find; else as it is.

    That it finds no one is told where all references are resolved.
    """
    name = "subject" if "subject" in document else "patient"
    subject: JsonObject = document.get(name, {})
    text = str(subject.get("reference", ""))
    if not text.startswith(_BY_CRITERIA):
        return document
    asked = replace(request, resource_type=_PATIENT, resource_id="", resource=None)
    query = await _parse(context, asked, text, 2)
    stored = await context.reader.search(query, await open_gate(context, asked, "search-type", query.clause))
    found = {version.identity for version in stored.versions} or await _find_fed(context, asked, query)
    return {**document, name: {**subject, "reference": str(found.pop())}} if len(found) == 1 else document


async def _parse(context: Context, request: Request, text: str, count: int) -> SearchQuery:
    check_exposed(context, request, "search-type")
    criteria = split_criteria(text.partition("?")[2])
    return await parse_criteria(context, request, request.resource_type, criteria, count=count)


async def _resolve(context: Context, writer: Writer, located: Sequence[Written], text: str, row: Written) -> str:
    """Returns the one resource that criteria match, as it will be after this transaction."""
    resource_type = text.partition("?")[0]
    request = replace(row.entry.request, resource_type=resource_type, resource_id="")
    touched = {other.identity for other in located if other.identity and not other.is_existing_match}
    count = 2 + sum(identity.resource_type == resource_type for identity in touched)
    inside = replace(context, reader=writer)
    with within_entry(row.entry.index):
        query = await _parse(inside, request, text, count)
        restriction = await open_gate(context, request, "search-type", query.clause)
    stored = await writer.search(query, restriction)
    found = {version.identity for version in stored.versions} - touched
    if not found and resource_type == _PATIENT:
        found = await _find_fed(inside, request, query)
    for other in located:
        if other.identity in touched and other.identity:
            found |= _match_inside(context, other.identity, other, query.clause)
    if len(found) != 1:
        how = "several resources" if found else "nothing"
        message = f"The conditional reference {text[:200]} matches {how}; it needs exactly one."
        raise error(Category.PRECONDITION_FAILED, "reference-conditional", message, row.entry.at)
    return str(found.pop())


async def _find_fed(context: Context, request: Request, query: SearchQuery) -> set[Identity]:
    """The record that a feeder may write into and not read."""
    if not await feeds(context, request):
        return set()
    status, patient = await find_record(context, request, query)
    return set() if status is RecordStatus.UNAVAILABLE else {Identity(_PATIENT, patient)}


def _match_inside(context: Context, identity: Identity, row: Written, clause: Clause) -> set[Identity]:
    """The entry's resource, where it matches too."""
    resource = row.resource
    if resource is None or resource["resourceType"] != identity.resource_type:
        return set()
    return {identity} if matches(clause, context.indexer.facts({**resource, "id": identity.resource_id})) else set()
