"""A SearchQuery → how MongoDB runs it: one page, in order, after a place; never skipping. Pure.

Where all sort keys are fields of the document, a find does; other keys are computed from the facts by an aggregation.
https://hl7.org/fhir/R4/search.html#_sort
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from bson.decimal128 import Decimal128
from bson.int64 import Int64

from fhir_dmp.search.query import And, Clause, OfType, SearchQuery, Sort, SortKey, SortKeys
from fhir_dmp.store.mongo.facts import hold_decimal, narrow_and_wide
from fhir_dmp.store.mongo.filter import NOTHING, Filter, after_prefix, all_of, any_of, build_filter, one_of

SAMPLED_PART = 256
"""Of all ids of ours, one in so many is in the sample."""
SAMPLED = "9c"
"""The first digits of the ids in the sample: one pair of 256, which all are as likely."""

Document = dict[str, Any]
Order = tuple[tuple[str, int], ...]

_ORDERED_BY_TYPE = frozenset({"dl", "lu"})
"""The fields that follow the type in an index."""
_NEVER_ABSENT = frozenset({"_id", "lu"})
_MARKS = {"token": ("t", "="), "string": ("s", "|"), "reference": ("t", ">"), "uri": ("t", ">")}
_SPANS = {"date": "d", "number": "q", "quantity": "q"}


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """`filter` and `order` for a find; where `computed` is not empty, `build_pipeline` for an aggregation instead.

    `after` selects what comes after the query's place, among documents that have the computed keys. A page before a
    place is read backwards: `order` is then the reverse of the one asked for.
    """

    filter: Filter
    order: Order
    after: Filter = field(default_factory=dict)
    computed: Mapping[str, Document] = field(default_factory=dict)

    @property
    def find_filter(self) -> Filter:
        """The filter of a find: what matches and comes after the query's place."""
        return all_of([self.filter, self.after])

    def build_projection(self, projection: Mapping[str, Any]) -> Document:
        """Builds a projection that also has the sort keys, for `read_sort_keys`."""
        return {**projection, **{name: 1 for name, _ in self.order}}

    def build_pipeline(self, limit: int, projection: Mapping[str, Any]) -> list[Document]:
        """Builds the aggregation of at most `limit` rows."""
        place = [{"$match": self.after}] if self.after else []
        return [
            {"$match": self.filter},
            {"$set": dict(self.computed)},
            *place,
            {"$sort": dict(self.order)},
            {"$limit": limit},
            {"$project": self.build_projection(projection)},
        ]


def build_plan(
    query: SearchQuery, *restrictions: Clause, built: Mapping[int, Filter] = MappingProxyType({})
) -> SearchPlan:
    """Builds the plan of a query among the resources of which all restrictions are true; `built` is of build_filter."""
    rules = _rules(query.sort)
    order = tuple((name, -1 if rule.descending else 1) for name, rule in rules)
    if not rules or rules[-1][1].type != "id":
        order = (*order, ("_id", order[-1][1] if order else 1))
    if query.before:
        order = tuple((name, -direction) for name, direction in order)
    place = query.before or query.after
    after = _build_after(order, place[: len(order) - 1] + place[-1:], query.is_inclusive) if place else {}
    ids = _build_ids(query) if order[0][0] == "_id" else {}
    resource_type = query.resource_types[0] if query.resource_types else ""
    return SearchPlan(
        filter=all_of(
            [
                ids,
                _build_types(query, order),
                build_filter(query.clause, *restrictions, built=built, is_by_date=order[0][0] == "dl"),
            ]
        ),
        order=order,
        after=after,
        computed={name: _build_key(resource_type, rule) for name, rule in rules if name.startswith("k")},
    )


def _build_types(query: SearchQuery, order: Order) -> Filter:
    """The types, though other conditions imply them, where rows come from an index in the order asked for."""
    return one_of("ty", query.resource_types) if order[0][0] in _ORDERED_BY_TYPE else {}


def _build_ids(query: SearchQuery) -> Filter:
    """Where the ids of one type are, for rows in their order: before and beyond are those of others, which never match.

    What contains a resource of the type may be of another, so the clause has to say it.
    """
    parts = query.clause.clauses if isinstance(query.clause, And) else (query.clause,)
    types = next((part.resource_types for part in parts if isinstance(part, OfType)), ())
    if len(types) != 1:
        return {}
    first = f"{types[0]}/"
    return {"_id": {"$gte": first, "$lt": after_prefix(first)}}


def build_sample(resource_types: Sequence[str]) -> Filter:
    """Builds the filter of about one in SAMPLED_PART of the resources of some types, whose ids are random."""
    starts = [f"{resource_type}/{SAMPLED}" for resource_type in resource_types]
    return any_of([{"_id": {"$gte": start, "$lt": after_prefix(start)}} for start in starts])


def read_sort_keys(row: Mapping[str, Any], query: SearchQuery) -> SortKeys:
    """Returns the place of a row that was read with the plan's projection."""
    return (*(_read_key(row.get(name)) for name, _ in _rules(query.sort)), row["_id"])


def _rules(sort: Sequence[Sort]) -> list[tuple[str, Sort]]:
    """The sort rules with the fields of their keys, up to `_id`, after which nothing is left to order."""
    rules = []
    for index, rule in enumerate(sort):
        rules.append((_field(index, rule), rule))
        if rule.type == "id":
            break
    return rules


def _field(index: int, rule: Sort) -> str:
    stored = {"id": "_id", "last-updated": "lu"}.get(rule.type)
    return stored or ("dl" if rule.type == "date" and rule.is_main else f"k{index}")


def _read_key(value: SortKey | Decimal128) -> SortKey:
    key: SortKey = value.to_decimal() if isinstance(value, Decimal128) else value
    return key


def _build_key(resource_type: str, rule: Sort) -> Document:
    """The expression of a key: the least value of a parameter, or (descending) the greatest; null without one."""
    prefix = f"{resource_type}.{rule.parameter}"
    pick = "$max" if rule.descending else "$min"
    if rule.type in _SPANS:
        array = _SPANS[rule.type]
        items = _filter_items(array, {"$in": ["$$item.p", narrow_and_wide(prefix)]})
        return {pick: {"$map": {"input": items, "as": "item", "in": "$$item.l"}}}
    array, mark = _MARKS[rule.type]
    start = prefix + mark
    conditions: list[Document] = [{"$gte": ["$$item", start]}, {"$lt": ["$$item", after_prefix(start)]}]
    if rule.type == "string":
        conditions.append({"$not": {"$regexMatch": {"input": "$$item", "regex": "[|]$"}}})
    return {pick: _filter_items(array, {"$and": conditions})}


def _filter_items(array: str, condition: Document) -> Document:
    return {"$filter": {"input": {"$ifNull": [f"${array}", []]}, "as": "item", "cond": condition}}


def _build_after(order: Order, keys: SortKeys, is_inclusive: bool) -> Filter:  # noqa: FBT001  as the query has it
    """What comes after a place: beyond it in one key, level with it in those before; or in all, if `is_inclusive`."""
    alternatives = []
    level: list[Filter] = []
    for (name, direction), key in zip(order, keys, strict=True):
        alternatives += [all_of([*level, beyond]) for beyond in _beyond(name, direction, key)]
        level.append({name: _bson(key)})
    if is_inclusive:
        alternatives.append(all_of(level))
    bound = _bound(*order[0], keys[0]) if len(order) > 1 else {}
    return all_of([bound, any_of(alternatives or [NOTHING])])


def _beyond(name: str, direction: int, key: SortKey) -> Iterator[Filter]:
    """Absent keys come first ascending and last descending."""
    if direction > 0:
        yield {name: {"$ne": None}} if key is None else {name: {"$gt": _bson(key)}}
    elif key is not None:
        yield {name: {"$lt": _bson(key)}}
        if name not in _NEVER_ABSENT:
            yield {name: None}


def _bound(name: str, direction: int, key: SortKey) -> Filter:
    """What follows from the alternatives for the first key alone: the bounds of an index on it."""
    if key is None or (direction < 0 and name not in _NEVER_ABSENT):
        return {}
    return {name: {"$gte" if direction > 0 else "$lte": _bson(key)}}


def _bson(key: SortKey) -> Decimal128 | Int64 | str | None:
    if isinstance(key, Decimal):
        return hold_decimal(key)
    return Int64(key) if isinstance(key, int) else key
