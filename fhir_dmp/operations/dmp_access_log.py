"""$dmp-access-log: who read what, when and how, in plain French beside the AuditEvents, page by page.

https://fhir-dmp.fr/OperationDefinition/dmp-access-log (profiles/dmp), CSP R1111-43, EHDS art. 9. For the patient and
who represents him, as far as they see the trace; and for the médecin traitant, who sees the traces too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from fhir_dmp.access.clauses import every
from fhir_dmp.access.requester import Kind
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.audit.code import ACCESS_MODE
from fhir_dmp.audit.trace import build_line
from fhir_dmp.bundle import build_link
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed, inquire, open_gate, read_states
from fhir_dmp.interactions.notices import name_professions
from fhir_dmp.interactions.read import not_found
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.interactions.strict import parse_strictly
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.operations.care_dates import read_span
from fhir_dmp.operations.parameters import Inputs, read_inputs
from fhir_dmp.operations.party import NAME, read_party
from fhir_dmp.operations.professional import read_mode
from fhir_dmp.operations.record_act import answer_act, as_server, refuse_act
from fhir_dmp.operations.stored import read_version
from fhir_dmp.outcome import Category, error
from fhir_dmp.record.deciding import Role, role_in
from fhir_dmp.resource import Version
from fhir_dmp.search.page import CURSOR
from fhir_dmp.search.query import Marked, SearchQuery, SortKeys

DEFINITION = "https://fhir-dmp.fr/OperationDefinition/dmp-access-log"
DEFAULT_COUNT, MAX_COUNT = 50, 200
_TYPE = "AuditEvent"
_KNOWN = ("from", "to", NAME, "mode", "_count", CURSOR)
_HOLDERS = frozenset({Kind.PATIENT, Kind.REPRESENTATIVE, Kind.SYSTEM})


async def access_log(context: Context, request: Request) -> Result:
    """Tells a page of the trace of a record, the newest first; not found for whoever else asks."""
    check_exposed(context, request, "operation")
    inputs = read_inputs(context, request, _KNOWN)
    query = await _build_query(context, request, inputs)
    restriction = await _admit(context, request, query)
    cursor = inputs.text(CURSOR, 16_384)
    if cursor:
        query = replace(query, after=tuple(context.cursors.read(cursor, _bound_to(request, query))))
    page = await context.reader.search(query, restriction)
    rows = [*_write_rows(context, page.versions), *_write_next(context, request, query, page.next_keys)]
    return answer_act(rows, page.versions)


async def _admit(context: Context, request: Request, query: SearchQuery) -> Restriction:
    kind = request.requester.kind
    part = replace(request, resource_type=_TYPE, resource_id="")
    if kind in _HOLDERS:
        await read_version(context, request)
        return await open_gate(context, part, "search-type", query.clause)
    if kind is not Kind.PRACTITIONER:
        raise refuse_act()
    inquiry = await inquire(context, part, "search-type")
    states = await read_states(context, request, [request.resource_id])
    if not states or role_in(request.requester, inquiry.closure, states[0], context.now()) is not Role.ATTENDING:
        raise not_found(request.identity)
    everything = await open_gate(context, as_server(part), "search-type")
    return Restriction(every([everything.clause, inquiry.scope]))


async def _build_query(context: Context, request: Request, inputs: Inputs) -> SearchQuery:
    """The search for the events of this record; the times asked for are days as the patient counts them."""
    start, end = read_span(context, inputs, "from"), read_span(context, inputs, "to")
    if start and end and end[1] <= start[0]:
        raise error(Category.INVALID_PARAMETER, "parameter-value", "from has to be before to.", _place(inputs, "to"))
    count = inputs.number("_count")
    if count == 0:
        raise error(Category.INVALID_PARAMETER, "parameter-value", "_count takes a number from 1 on.", "http._count")
    size = str(min(count or DEFAULT_COUNT, MAX_COUNT))
    asked = [("patient", request.resource_id), ("_sort", "-date"), ("_count", size)]
    asked += [("date", f"ge{inputs.text('from').replace(' ', '+')}")] if start else []
    asked += [("date", f"le{inputs.text('to').replace(' ', '+')}")] if end else []
    asked += await _named(context, request, inputs)
    query = parse_strictly(context, _TYPE, asked)
    if inputs.one("mode"):
        mode = Marked("code", (f"{ACCESS_MODE}|{read_mode(inputs).value}",))
        query = replace(query, clause=every([query.clause, mode]))
    used = tuple((name, str(given.value)) for name in _KNOWN for given in inputs.all(name) if name != CURSOR)
    return replace(query, used=used)


async def _named(context: Context, request: Request, inputs: Inputs) -> list[tuple[str, str]]:
    """The professional or structure whose accesses are asked for, by its numbers: so the events name it."""
    if inputs.one(NAME) is None:
        return []
    party = await read_party(context, request, inputs)
    numbers = sorted(text for text in party.texts if "|" in text)
    if not numbers:
        raise error(Category.UNPROCESSABLE, "professional-unknown", "The directory has no number of it.", party.at)
    return [("agent:identifier", ",".join(numbers))]


def _write_rows(context: Context, versions: Iterable[Version]) -> Iterator[JsonObject]:
    professions = name_professions(context)
    for version in versions:
        event = parse_json_object(version.content or b"{}")
        line = build_line(event, context.zone, professions)
        parts: list[JsonObject] = [
            {"name": "text", "valueString": str(line)},
            {"name": "recorded", "valueInstant": event["recorded"]},
            {"name": "event", "resource": event},
        ]
        yield {"name": "access", "part": parts}


def _write_next(
    context: Context, request: Request, query: SearchQuery, next_keys: SortKeys | None
) -> Iterator[JsonObject]:
    if next_keys is not None:
        cursor = context.cursors.write(list(next_keys), _bound_to(request, query))
        link = build_link(context.base_url, request.path, [*query.used, (CURSOR, cursor)])
        yield {"name": "next", "valueUri": link}


def _bound_to(request: Request, query: SearchQuery) -> str:
    """What a cursor is good for: this record, these parameters, this requester."""
    return f"{request.requester.name} {request.path} {sorted(query.used)}"


def _place(inputs: Inputs, name: str) -> str:
    given = inputs.one(name)
    return given.at if given else ""
