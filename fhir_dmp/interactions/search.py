"""search of a type or of the system: https://hl7.org/fhir/R4/search.html."""

from __future__ import annotations

from dataclasses import replace

from fhir_dmp.access.restriction import Restriction
from fhir_dmp.bundle import Link, build_link, build_searchset
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed, open_gate
from fhir_dmp.interactions.redaction import redact
from fhir_dmp.interactions.request import Request, Result, Status
from fhir_dmp.interactions.value_sets import find_terms
from fhir_dmp.search.page import CURSOR
from fhir_dmp.search.parse import parse_search
from fhir_dmp.search.query import SearchQuery, Total
from fhir_dmp.search.terms import Terms
from fhir_dmp.store.port import SearchPage

DEFAULT_COUNT = 50
COUNTED = 1000
"""A total is exact up to this number, and left out beyond it unless `_total=accurate` asks for it."""


async def search_type(context: Context, request: Request) -> Result:
    """Returns a page of the resources of one type that match."""
    return await _search(context, request, "search-type")


async def search_system(context: Context, request: Request) -> Result:
    """Returns a page of the resources of all types that match."""
    return await _search(context, request, "search-system")


async def _search(context: Context, request: Request, interaction: str) -> Result:
    check_exposed(context, request, interaction)
    query = _parse(context, request, await find_terms(context, request))
    restriction = await open_gate(context, request, interaction, query.clause)
    if query.count == 0:
        total = await context.reader.count(query.clause, restriction, 0)
        return _answer(context, request, query, SearchPage((), None), total)
    page = await context.reader.search(query, restriction)
    page = replace(page, versions=await redact(context, request, page.versions))
    return _answer(context, request, query, page, await _count(context, query, restriction, page))


def _parse(context: Context, request: Request, terms: Terms) -> SearchQuery:
    query = parse_search(
        request.resource_type or None,
        [(name, value) for name, value in request.parameters if name != CURSOR],
        space=context.space,
        handling=request.handling,
        now=context.now(),
        terms=terms,
    )
    if query.count is None:
        query = replace(query, count=DEFAULT_COUNT)
    cursors = [value for name, value in request.parameters if name == CURSOR]
    if cursors:
        return replace(query, after=tuple(context.cursors.read(cursors[0], _bound_to(request, query))))
    return query


async def _count(context: Context, query: SearchQuery, restriction: Restriction, page: SearchPage) -> int | None:
    """Returns the total, None where it is not asked for and too large to be worth its cost."""
    if query.total is Total.NONE:
        return None
    if query.after is None and page.next_keys is None:
        return len(page.versions)
    limit = 0 if query.total is Total.ACCURATE else COUNTED + 1
    total = await context.reader.count(query.clause, restriction, limit)
    return None if limit and total >= limit else total


def _answer(context: Context, request: Request, query: SearchQuery, page: SearchPage, total: int | None) -> Result:
    path = request.path.removesuffix("_search").rstrip("/")
    links: list[Link] = [("self", build_link(context.base_url, path, query.used))]
    if page.next_keys:
        cursor = context.cursors.write(list(page.next_keys), _bound_to(request, query))
        links.append(("next", build_link(context.base_url, path, [*query.used, (CURSOR, cursor)])))
    body = build_searchset(context.base_url, page.versions, links, total, query.ignored)
    return Result(Status.OK, body=body, versions=page.versions)


def _bound_to(request: Request, query: SearchQuery) -> str:
    """What a cursor is good for: this search, by this requester."""
    return f"{request.requester.name} {request.resource_type} {sorted(query.used)}"
