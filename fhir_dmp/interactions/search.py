"""search of a type or of the system: https://hl7.org/fhir/R4/search.html."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fhir_dmp.access.restriction import Restriction
from fhir_dmp.bundle import Link, build_link, build_searchset
from fhir_dmp.interactions.chained_versions import warn_of_versions
from fhir_dmp.interactions.compartment import check_compartment, confine
from fhir_dmp.interactions.contained import as_resources, containers_of, count_matches, find_alone
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed, open_gate
from fhir_dmp.interactions.includes import find_included
from fhir_dmp.interactions.joins import follow_joins, is_emergency
from fhir_dmp.interactions.redaction import redact
from fhir_dmp.interactions.request import Request, Result, Status
from fhir_dmp.interactions.value_sets import find_terms
from fhir_dmp.resource import Version
from fhir_dmp.search.page import BEFORE, CURSOR, PLACES
from fhir_dmp.search.parse import parse_search
from fhir_dmp.search.query import Contained, Handling, SearchQuery, Total
from fhir_dmp.search.terms import Terms
from fhir_dmp.store.port import SearchPage
from fhir_dmp.subset import subset_content

DEFAULT_COUNT = 50
COUNTED = 1000
"""A total is exact up to this number, and left out beyond it unless `_total=accurate` asks for it."""

COUNTED_EXACTLY = 10_000
"""A total that `_total=estimate` asks for is exact up to this number."""


async def search_type(context: Context, request: Request) -> Result:
    """Returns a page of the resources of one type that match."""
    return await _search(context, request, "search-type")


async def search_system(context: Context, request: Request) -> Result:
    """Returns a page of the resources of all types that match."""
    return await _search(context, request, "search-system")


async def _search(context: Context, request: Request, interaction: str) -> Result:
    check_exposed(context, request, interaction)
    check_compartment(context, request)
    query = confine(context, request, _parse(context, request, await find_terms(context, request)))
    asked = query.clause
    query, named = await follow_joins(context, request, query)
    restriction = await _open(context, request, interaction, query)
    if query.count == 0:
        total = await count_matches(context, query, restriction, 0)
        answer = _answer(context, request, query, SearchPage((), None), total)
        told = await _find_counted(context, request, query, restriction) if total else ()
        return replace(answer, versions=told, patients=tuple(named), opened=tuple(named) if total else ())
    page = await _find_page(context, query, restriction)
    if warnings := warn_of_versions(context, asked, page.versions):
        query = replace(query, ignored=(*query.ignored, *warnings))
    sources = as_resources(page.versions) if query.contained is Contained.ALONE else page.versions
    included = await find_included(context, request, query, sources) if query.includes else ()
    shown = await redact(context, request, [*page.versions, *included])
    matched = len(page.versions)
    page = replace(page, versions=shown[:matched])
    counted = await _count(context, query, restriction, page)
    answer = _answer(context, request, query, page, counted, shown[matched:])
    return replace(answer, patients=tuple(named), opened=tuple(named) if page.versions else ()) if named else answer


async def _find_counted(
    context: Context, request: Request, query: SearchQuery, restriction: Restriction
) -> Sequence[Version]:
    """One of what is counted, in an emergency: that it was opened is told to whoever is counted, as all else is."""
    if not is_emergency(request):
        return ()
    found = (await _find_page(context, replace(query, count=1), restriction)).versions
    return containers_of(found) if query.contained is Contained.ALONE else found


async def _open(context: Context, request: Request, interaction: str, query: SearchQuery) -> Restriction:
    """What is contained is shown where its container is, which may be of any type."""
    if query.contained is Contained.LEFT_OUT:
        return await open_gate(context, request, interaction, query.clause)
    return await open_gate(context, replace(request, resource_type=""), "search-system", query.clause)


async def _find_page(context: Context, query: SearchQuery, restriction: Restriction) -> SearchPage:
    if query.contained is Contained.ALONE:
        return await find_alone(context, query, restriction)
    return await context.reader.search(query, restriction)


def _parse(context: Context, request: Request, terms: Terms) -> SearchQuery:
    query = parse_search(
        request.resource_type or None,
        [(name, value) for name, value in request.parameters if name not in PLACES],
        space=context.space,
        handling=request.handling or Handling.LENIENT,
        now=context.now(),
        terms=terms,
        may_contain=True,
    )
    if query.count is None:
        query = replace(query, count=DEFAULT_COUNT)
    return _place(context, request, query)


def _place(context: Context, request: Request, query: SearchQuery) -> SearchQuery:
    """Returns the query of the page that a link of another page leads to."""
    places = [(name, value) for name, value in request.parameters if name in PLACES]
    if not places:
        return query
    name, cursor = places[0]
    keys = tuple(context.cursors.read(cursor, _bound_to(request, query, name)))
    return replace(query, before=keys) if name == BEFORE else replace(query, after=keys)


def take_subset(context: Context, query: SearchQuery, versions: Sequence[Version]) -> Sequence[Version]:
    """Returns the versions with what `_summary` or `_elements` asks for of their contents."""
    subset = query.subset
    if subset is None:
        return versions
    return [
        version._replace(content=subset_content(version.content or b"{}", subset, context.registry))
        for version in versions
    ]


async def _count(context: Context, query: SearchQuery, restriction: Restriction, page: SearchPage) -> int | None:
    """Returns the total, None where it is not asked for and too large to be worth its cost."""
    if query.total is Total.NONE:
        return None
    if not query.after and not query.before and page.next_keys is None:
        return len(page.versions)
    limit = {Total.ACCURATE: 0, Total.ESTIMATE: COUNTED_EXACTLY + 1}.get(query.total or Total.NONE, COUNTED + 1)
    total = await count_matches(context, query, restriction, limit)
    if not limit or total < limit:
        return total
    if query.contained is Contained.ALONE:
        return await count_matches(context, query, restriction, 0) if query.total is Total.ESTIMATE else None
    return max(total, await context.reader.estimate(query, restriction)) if query.total is Total.ESTIMATE else None


def _answer(
    context: Context,
    request: Request,
    query: SearchQuery,
    page: SearchPage,
    total: int | None,
    included: Sequence[Version] = (),
) -> Result:
    path = request.path.removesuffix("_search").rstrip("/")
    place = [pair for pair in request.parameters if pair[0] in PLACES][:1]
    links: list[Link] = [("self", build_link(context.base_url, path, [*query.used, *place]))]
    for relation, name, keys in (("next", CURSOR, page.next_keys), ("previous", BEFORE, page.previous_keys)):
        if keys:
            cursor = context.cursors.write(list(keys), _bound_to(request, query, name))
            links.append((relation, build_link(context.base_url, path, [*query.used, (name, cursor)])))
    if place:
        links.append(("first", build_link(context.base_url, path, query.used)))
    shown = take_subset(context, query, page.versions)
    body = build_searchset(context.base_url, shown, links, total, query.ignored, included)
    given = containers_of(page.versions) if query.contained is Contained.ALONE else page.versions
    return Result(Status.OK, body=body, versions=[*given, *included])


def _bound_to(request: Request, query: SearchQuery, name: str) -> str:
    """What a cursor is good for: this search, by this requester, in this direction."""
    within = request.compartment or ""
    return f"{name} {request.requester.name} {within} {request.resource_type} {sorted(query.used)}"
