"""$everything: a patient's record, page by page. https://hl7.org/fhir/R4/patient-operation-everything.html."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fhir_dmp.bundle import Link, build_link
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed, open_gate
from fhir_dmp.interactions.redaction import redact
from fhir_dmp.interactions.request import Request, Result, Status
from fhir_dmp.operations.bundles import build_searchset
from fhir_dmp.operations.care_dates import about_time, read_span
from fhir_dmp.operations.parameters import Inputs, read_inputs
from fhir_dmp.operations.patient_record import SUPPORTING, of_records, open_record, read_supporting, record_types
from fhir_dmp.operations.stored import read_stored
from fhir_dmp.outcome import Category, error
from fhir_dmp.search.page import CURSOR
from fhir_dmp.search.query import AboutPatient, Clause, DateValue, LastUpdated, OfType, SearchQuery, SortKeys, all_of

MOST_PATIENTS = 10
"""How many records are told at once, where none is named."""
DEFAULT_COUNT, MAX_COUNT = 100, 1000
_KNOWN = ("start", "end", "_since", "_type", "_count", CURSOR)


async def everything(context: Context, request: Request) -> Result:
    """Returns a page of what the requester may see of the record that the URL names, or of those he has."""
    check_exposed(context, request, "operation")
    inputs = read_inputs(context, request, _KNOWN)
    types = _read_types(context, inputs)
    patients = await _find_patients(context, request)
    restriction = await open_record(context, request, patients)
    query = _build_query(context, request, inputs, patients, types & record_types(context))
    page = await context.reader.search(query, restriction)
    shown = await redact(context, request, page.versions)
    included = await read_supporting(context, restriction, shown, types & SUPPORTING)
    links = _links(context, request, query, page.next_keys)
    body = build_searchset(context.base_url, shown, included, links)
    return Result(Status.OK, body=body, versions=of_records(shown))


async def _find_patients(context: Context, request: Request) -> Sequence[str]:
    """The patient that the URL names; else those whom the requester may see, as far as they are few."""
    if request.resource_id:
        await read_stored(context, request)
        return (request.resource_id,)
    clause = OfType(("Patient",))
    restriction = await open_gate(context, request, "search-type", clause)
    page = await context.reader.search(SearchQuery(("Patient",), clause, count=MOST_PATIENTS), restriction)
    if page.next_keys is not None:
        message = f"There are more than {MOST_PATIENTS} patients: name one of them, as in Patient/23/$everything."
        raise error(Category.TOO_COSTLY, "records-too-many", message)
    return [version.identity.resource_id for version in page.versions]


def _read_types(context: Context, inputs: Inputs) -> frozenset[str]:
    """What may be in the answer; `_type` has to name something of a record."""
    known = record_types(context) | SUPPORTING & context.capability.types.keys()
    named = frozenset(name.strip() for text in inputs.texts("_type") for name in text.split(","))
    if named - known or (named and named <= SUPPORTING):
        message = f"_type names types of a record: {', '.join(sorted(record_types(context)))}."
        raise error(Category.INVALID_PARAMETER, "parameter-value", message, "http._type")
    return named or known


def _build_query(
    context: Context, request: Request, inputs: Inputs, patients: Sequence[str], types: frozenset[str]
) -> SearchQuery:
    named = tuple(sorted(types))
    clauses: list[Clause] = [OfType(named), AboutPatient(tuple(patients)), *about_time(context, inputs)]
    since = read_span(context, inputs, "_since")
    if since:
        clauses.append(LastUpdated((DateValue("ge", *since),)))
    count = inputs.number("_count")
    if count == 0:
        raise error(Category.INVALID_PARAMETER, "parameter-value", "_count takes a number from 1 on.", "http._count")
    used = tuple((name, text) for name in _KNOWN for text in _texts(inputs, name) if name != CURSOR)
    query = SearchQuery(named, all_of(clauses), count=min(count or DEFAULT_COUNT, MAX_COUNT), used=used)
    cursor = inputs.text(CURSOR, 16_384)
    if cursor:
        return replace(query, after=tuple(context.cursors.read(cursor, _bound_to(request, query))))
    return query


def _texts(inputs: Inputs, name: str) -> list[str]:
    return [str(given.value) for given in inputs.all(name)]


def _links(context: Context, request: Request, query: SearchQuery, next_keys: SortKeys | None) -> list[Link]:
    links: list[Link] = [("self", build_link(context.base_url, request.path, query.used))]
    if next_keys is not None:
        cursor = context.cursors.write(list(next_keys), _bound_to(request, query))
        links.append(("next", build_link(context.base_url, request.path, [*query.used, (CURSOR, cursor)])))
    return links


def _bound_to(request: Request, query: SearchQuery) -> str:
    """What a cursor is good for: this record, these parameters, this requester."""
    return f"{request.requester.name} {request.path} {sorted(query.used)}"
