"""Contained resources as matches of their own: `_containedType=contained`, https://hl7.org/fhir/R4/search.html#contained.

The store finds their containers, in order and by the containers' restriction; what each has to show is told from its
content. So a row is of a container, and of what it contains the one with this id; a page may begin and end within one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fhir_dmp.access.restriction import Restriction
from fhir_dmp.interactions.context import Context
from fhir_dmp.json_text import parse_json_object, write_json
from fhir_dmp.resource import Identity, Version
from fhir_dmp.search.contained import INSIDE, contained_in
from fhir_dmp.search.match import matches
from fhir_dmp.search.query import Clause, Contained, Contains, Or, SearchQuery, SortKey, SortKeys
from fhir_dmp.store.port import SearchPage


async def find_alone(context: Context, query: SearchQuery, restriction: Restriction) -> SearchPage:
    """Returns a page of what matches: contained resources as versions of `Container/id#id`, others as they are."""
    count, place = query.count or 0, str(query.after[-1]) if query.after else ""
    start, _, last = place.partition(INSIDE)
    if query.after:
        query = replace(query, after=(*query.after[:-1], start), is_inclusive=True)
    page = await context.reader.search(replace(query, count=count + 1), restriction)
    rows = [
        row
        for version in page.versions
        for row in _expand(context, query, version)
        if str(version.identity) != start or _inside(row) > last
    ]
    is_more = len(rows) > count or page.next_keys is not None
    return SearchPage(rows[:count], _place(query, rows[:count][-1]) if rows and is_more else None)


async def count_matches(context: Context, query: SearchQuery, restriction: Restriction, limit: int) -> int:
    """Returns how many matches there are, counting about as far as `limit` (0: no limit)."""
    if query.contained is not Contained.ALONE:
        return await context.reader.count(query.clause, restriction, limit)
    others, inside = _parts(query.clause)
    counted = await context.reader.count_contained(inside, restriction, limit)
    return counted + (await context.reader.count(others, restriction, limit) if others else 0)


def as_resources(rows: Sequence[Version]) -> Sequence[Version]:
    """Returns rows as versions of what they hold, where that is contained: its own type, and an id that nothing has."""
    return [_as_resource(row) if _inside(row) else row for row in rows]


def containers_of(rows: Sequence[Version]) -> Sequence[Version]:
    """Returns the versions that rows are taken from, each once."""
    found = [row._replace(identity=_container(row)) for row in rows]
    return list({(row.identity, row.version_id): row for row in found}.values())


def _expand(context: Context, query: SearchQuery, version: Version) -> Iterator[Version]:
    """What a container has to show: itself, where it matches, and what it contains, by id."""
    others, inside = _parts(query.clause)
    resource = parse_json_object(version.content or b"{}")
    facts = context.indexer.facts(resource)
    if others and matches(others, facts):
        yield version
    found = {fact.facts.resource_id for fact in facts.contained if matches(inside, fact.facts)}
    held = {f"{INSIDE}{item['id']}": item for item in contained_in(resource, context.space.resource_types)}
    for name in sorted(found):
        kind, own = version.identity
        yield version._replace(identity=Identity(kind, f"{own}{name}"), content=write_json(held[name]))


def _parts(clause: Clause) -> tuple[Clause | None, Clause]:
    """What is asked of resources that are not contained, if they are, and what of those that are."""
    match clause:
        case Or((others, Contains(inside))):
            return others, inside
        case Contains(inside):
            return None, inside
    raise TypeError("the query does not ask for contained resources")


def _inside(row: Version) -> str:
    """The id of what is contained, "" of a resource that is not."""
    return row.identity.resource_id.partition(INSIDE)[2]


def _container(row: Version) -> Identity:
    return Identity(row.identity.resource_type, row.identity.resource_id.partition(INSIDE)[0])


def _as_resource(row: Version) -> Version:
    kind = parse_json_object(row.content or b"{}")["resourceType"]
    return row._replace(identity=Identity(kind, f"{INSIDE}{_inside(row)}"))


def _place(query: SearchQuery, row: Version) -> SortKeys:
    """The place of a row: that of its container, and which one it is there. Sorted is by id or time alone."""
    container = str(_container(row))
    known: dict[str, SortKey] = {"id": container, "last-updated": row.last_updated}
    keys: list[SortKey] = []
    for rule in query.sort:
        keys.append(known[rule.type])
        if rule.type == "id":
            break
    return (*keys, str(row.identity))
