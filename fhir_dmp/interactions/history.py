"""history of an instance, a type, the system: https://hl7.org/fhir/R4/http.html#history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fhir_dmp.access.restriction import Restriction
from fhir_dmp.bundle import Link, build_history, build_link
from fhir_dmp.instant import Milliseconds, parse_instant
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.joins import is_emergency
from fhir_dmp.interactions.read import not_found
from fhir_dmp.interactions.redaction import redact
from fhir_dmp.interactions.request import Request, Result, Status
from fhir_dmp.outcome import Category, error
from fhir_dmp.resource import Version
from fhir_dmp.search.page import CURSOR
from fhir_dmp.search.span import parse_span
from fhir_dmp.store.port import HistoryKey, HistoryQuery

DEFAULT_COUNT, MAX_COUNT = 50, 1000
COUNTED = 1000
"""A total is exact up to this number, and left out beyond it unless `_count=0` asks for it alone."""
_DIGITS = 9


async def history_instance(context: Context, request: Request) -> Result:
    """Returns the versions of one resource; not found where it never was here, or is hidden."""
    restriction = await open_gate(context, request, "history-instance")
    if not await context.reader.read_latest((request.identity,), restriction):
        raise not_found(request.identity)
    return await _answer(context, request, HistoryQuery(DEFAULT_COUNT, identity=request.identity), "history-instance")


async def history_type(context: Context, request: Request) -> Result:
    """Returns the versions of all resources of a type."""
    query = HistoryQuery(DEFAULT_COUNT, resource_types=(request.resource_type,))
    return await _answer(context, request, query, "history-type")


async def history_system(context: Context, request: Request) -> Result:
    """Returns the versions of all resources."""
    return await _answer(context, request, HistoryQuery(DEFAULT_COUNT), "history-system")


async def _answer(context: Context, request: Request, base: HistoryQuery, interaction: str) -> Result:
    restriction = await open_gate(context, request, interaction)
    query = _parse(context, request, base)
    total = await _count(context, query, restriction)
    versions: Sequence[Version] = ()
    # of a number alone an emergency has to know whose record it tells of
    if query.limit or is_emergency(request):
        versions = await context.reader.history(replace(query, limit=query.limit + 1), restriction)
    shown = await redact(context, request, versions[: query.limit])
    links: list[Link] = [("self", build_link(context.base_url, request.path, request.parameters))]
    if len(versions) > len(shown) > 0:
        links.append(("next", _next_link(context, request, shown[-1])))
    body = build_history(context.base_url, shown, links, total)
    return Result(Status.OK, body=body, versions=shown or versions)


async def _count(context: Context, query: HistoryQuery, restriction: Restriction) -> int | None:
    """Returns the total; None where it is too large to be worth its cost, unless nothing else is asked for."""
    limit = COUNTED + 1 if query.limit else 0
    total = await context.reader.count_history(query, restriction, limit)
    return None if limit and total >= limit else total


def _next_link(context: Context, request: Request, last: Version) -> str:
    cursor = context.cursors.write([last.last_updated, str(last.identity), last.version_id], _bound_to(request))
    parameters = [(name, value) for name, value in request.parameters if name != CURSOR]
    return build_link(context.base_url, request.path, [*parameters, (CURSOR, cursor)])


def _bound_to(request: Request) -> str:
    """What a cursor is good for: this history, these parameters, this requester."""
    parameters = sorted((name, value) for name, value in request.parameters if name != CURSOR)
    return f"{request.requester.name} {request.path} {parameters}"


def _parse(context: Context, request: Request, base: HistoryQuery) -> HistoryQuery:
    query = base
    seen: set[str] = set()
    for name, value in request.parameters:
        if name in seen:
            raise error(Category.INVALID_PARAMETER, "parameter-repeated", f"{name} may appear once.", f"http.{name}")
        seen.add(name)
        query = _with_parameter(context, request, query, name, value)
    return query


def _with_parameter(context: Context, request: Request, query: HistoryQuery, name: str, value: str) -> HistoryQuery:
    match name:
        case "_count":
            return replace(query, limit=_parse_count(value))
        case "_since":
            return replace(query, since=parse_instant(value, name))
        case "_at":
            return replace(query, at=_parse_at(context, value))
    if name == CURSOR:
        return replace(query, after=_read_cursor(context, request, value))
    message = f"A history has no parameter {name[:64]}; it has _count, _since and _at."
    raise error(Category.INVALID_PARAMETER, "parameter-unknown", message, f"http.{name[:64]}")


def _read_cursor(context: Context, request: Request, cursor: str) -> HistoryKey:
    last_updated, reference, number = context.cursors.read(cursor, _bound_to(request))
    return HistoryKey(int(str(last_updated)), str(reference), int(str(number)))


def _parse_count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise error(Category.INVALID_PARAMETER, "parameter-value", "_count takes a number from 0 on.", "http._count")
    return min(int(text), MAX_COUNT)


def _parse_at(context: Context, text: str) -> tuple[Milliseconds, Milliseconds]:
    """A point in time is as wide as it is written: `_at=2024` is every version that was current some time in 2024."""
    span = parse_span(text.replace(" ", "+"), context.zone)
    if span is None:
        message = "_at takes a date or time such as 2026-01-31 or 2026-01-31T08:00:00Z."
        raise error(Category.INVALID_PARAMETER, "parameter-value", message, "http._at")
    return span[0], max(span[1], span[0] + 1)
