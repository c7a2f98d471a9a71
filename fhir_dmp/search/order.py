"""The order of results: the reference meaning of `_sort` and of continuing after a page, on facts.

https://hl7.org/fhir/R4/search.html#_sort. A resource with several values is placed by the one that comes first in the
order asked for; one without value comes first ascending, last descending.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cmp_to_key
from typing import Any

from fhir_dmp.search.facts import Facts
from fhir_dmp.search.query import Sort, SortKey, SortKeys
from fhir_dmp.search.text import normalise


def sort_keys(facts: Facts, sort: Sequence[Sort]) -> SortKeys:
    """Returns the place of a resource in an order."""
    return (*(_key(facts, rule) for rule in sort), f"{facts.resource_type}/{facts.resource_id}")


def compare(one: SortKeys, other: SortKeys, sort: Sequence[Sort]) -> int:
    """Returns a number below, at or above 0 as the first place comes before, at or after the second."""
    tie_break = Sort("_id", "id", descending=bool(sort) and sort[-1].descending)
    for mine, theirs, rule in zip(one, other, (*sort, tie_break), strict=True):
        if mine != theirs:
            return -_ascending(mine, theirs) if rule.descending else _ascending(mine, theirs)
    return 0


def in_order(resources: Iterable[Facts], sort: Sequence[Sort]) -> list[Facts]:
    """Returns resources in an order."""

    def compare_facts(one: Facts, other: Facts) -> int:
        return compare(sort_keys(one, sort), sort_keys(other, sort), sort)

    return sorted(resources, key=cmp_to_key(compare_facts))


def _ascending(mine: SortKey, theirs: SortKey) -> int:
    if mine is None or theirs is None:
        return -1 if mine is None else 1
    comparable: Any = mine  # keys of one rule are of one type
    return -1 if comparable < theirs else 1


def _key(facts: Facts, rule: Sort) -> SortKey:
    if rule.type == "id":
        return f"{facts.resource_type}/{facts.resource_id}"
    if rule.type == "last-updated":
        return facts.last_updated
    values: list[Any] = list(_values(facts, rule))
    if not values:
        return None
    first: SortKey = max(values) if rule.descending else min(values)
    return first


def _values(facts: Facts, rule: Sort) -> Iterable[SortKey]:
    code = rule.parameter
    if rule.type == "token":
        return [fact.code.casefold() for fact in facts.tokens if fact.parameter == code]
    if rule.type == "string":
        forms = [normalise(fact.text) for fact in facts.strings if fact.parameter == code]
        return [form for form in forms if form]
    if rule.type == "date":
        return [fact.low for fact in facts.dates if fact.parameter == code]
    if rule.type in {"number", "quantity"}:
        return [fact.low for fact in facts.quantities if fact.parameter == code]
    return [fact.text for fact in facts.links if fact.parameter == code]
