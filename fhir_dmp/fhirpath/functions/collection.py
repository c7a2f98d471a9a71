"""Filtering and projection, subsetting, combining, aggregates: http://hl7.org/fhirpath/N1/#filtering-and-projection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cmp_to_key

from fhir_dmp.fhirpath.access import single
from fhir_dmp.fhirpath.equality import distinct, key_of
from fhir_dmp.fhirpath.fault import EvaluationError
from fhir_dmp.fhirpath.functions.signature import function
from fhir_dmp.fhirpath.node import Node, Nodes
from fhir_dmp.fhirpath.order import compare

Projection = Callable[..., Nodes]
MAX_REPEATED = 100_000
"""Items that repeat() collects before it gives up: its projection may yield new ones for ever."""


def _select(nodes: Nodes, projection: Projection) -> list[Node]:
    return [found for index, node in enumerate(nodes) for found in projection(node, index)]


def _repeat(nodes: Nodes, projection: Projection) -> list[Node]:
    found: list[Node] = []
    seen = set()
    todo: Sequence[Node] = nodes
    while todo:
        fresh = []
        for node in _select(todo, projection):
            key = key_of(node)
            if key not in seen:
                seen.add(key)
                fresh.append(node)
        found += fresh
        todo = fresh
        if len(found) > MAX_REPEATED:
            raise EvaluationError(f"repeat() found more than {MAX_REPEATED} items")
    return found


def _aggregate(nodes: Nodes, aggregator: Projection, initial: Nodes = ()) -> Nodes:
    total = initial
    for index, node in enumerate(nodes):
        total = aggregator(node, index, total)
    return total


def _first(nodes: Nodes) -> Nodes:
    return nodes[:1]


def _last(nodes: Nodes) -> Nodes:
    return nodes[-1:]


def _tail(nodes: Nodes) -> Nodes:
    return nodes[1:]


def _skip(nodes: Nodes, number: Nodes) -> Nodes:
    return nodes[_count(number) :]


def _take(nodes: Nodes, number: Nodes) -> Nodes:
    return nodes[: _count(number)]


def _count(number: Nodes) -> int:
    node = single(number)
    if node is None or type(node.value) is not int:
        raise EvaluationError("an Integer is needed here")
    return max(0, node.value)


def _single(nodes: Nodes) -> Nodes:
    single(nodes)
    return nodes


def _intersect(nodes: Nodes, other: Nodes) -> Nodes:
    wanted = {key_of(node) for node in other}
    return distinct([node for node in nodes if key_of(node) in wanted])


def _exclude(nodes: Nodes, other: Nodes) -> Nodes:
    unwanted = {key_of(node) for node in other}
    return [node for node in nodes if key_of(node) not in unwanted]


def _union(nodes: Nodes, other: Nodes) -> Nodes:
    return distinct([*nodes, *other])


def _combine(nodes: Nodes, other: Nodes) -> Nodes:
    return [*nodes, *other]


def sort(nodes: Nodes, keys: Sequence[tuple[Projection, bool]]) -> Nodes:
    """Returns the items in the order of their keys, each with whether it descends; items without a key come first."""
    found = list(nodes)
    for projection, descending in reversed(keys):
        keyed = [(projection(node), node) for node in found]
        with_key = sorted((row for row in keyed if row[0]), key=cmp_to_key(_order), reverse=descending)
        found = [node for key, node in (*(row for row in keyed if not row[0]), *with_key)]
    return found


def _order(one: tuple[Nodes, Node], other: tuple[Nodes, Node]) -> int:
    return compare(one[0], other[0]) or 0


COLLECTION = (
    function("select", _select, "Items", "Projection"),
    function("repeat", _repeat, "Items", "Recursion"),
    function("aggregate", _aggregate, "Items", "Recursion", "Items", optional=1),
    function("first", _first, gives="Item"),
    function("last", _last, gives="Item"),
    function("tail", _tail, gives="Same"),
    function("skip", _skip, "Items", "Items", gives="Same"),
    function("take", _take, "Items", "Items", gives="Same"),
    function("single", _single, gives="Item"),
    function("intersect", _intersect, "Items", "Items", gives="Same"),
    function("exclude", _exclude, "Items", "Items", gives="Same"),
    function("union", _union, "Items", "Items"),
    function("combine", _combine, "Items", "Items"),
)
