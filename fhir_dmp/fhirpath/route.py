"""Routes to generated code: nested look-ups and loops over raw JSON, with a Node only for what is kept at the end.

Whatever stands where the definitions expect something else (a text instead of an object) counts as absent: telling
the client so is the validator's part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fhir_dmp.fhirpath.model import Child
from fhir_dmp.fhirpath.operand import Hop, Items, Route
from fhir_dmp.fhirpath.source import Source
from fhir_dmp.fhirpath.system import SYSTEM_TYPE_OF

MAX_HOPS = 6
"""Loops in one function before a list is made of what was found: CPython allows 20 nested blocks."""
_ABSTRACT = frozenset({"Resource", "DomainResource"})

Sink = Callable[[str, str, str], None]
"""Writes what is done with one value, given Python for the value, for its `_element` or "", and for its type."""


def write_items(source: Source, route: Route) -> Items:
    """Writes code that collects the Nodes at the end of a route."""
    if not route.hops:
        if route.start != "json":
            return Items(route.text, route.types, route.single)
        type_name = _type_text(route.start_type, route.text)
        return Items(source.assign(f"[Node({route.text}, {type_name})]"), route.types, single=True)
    out = source.assign("[]")

    def keep(value: str, element: str, type_name: str) -> None:
        source.line(f"{out}.append(Node({value}, {type_name}{element and ', ' + element}))")

    _Walk(source, keep).write(route)
    return Items(out, route.types, route.single)


def write_exists(source: Source, route: Route) -> str:
    """Writes code that tells whether a route leads to anything; returns its variable."""
    found = source.assign("False")
    _Walk(source, lambda *_: source.line(f"{found} = True"), until=found).write(route)
    return found


def write_count(source: Source, route: Route) -> str:
    """Writes code that counts what a route leads to; returns its variable."""
    count = source.assign("0")
    _Walk(source, lambda *_: source.line(f"{count} += 1")).write(route)
    return count


def write_value(source: Source, route: Route) -> str:
    """Writes code that takes the one System value at the end of a route, or None; for routes with one static type."""
    system = SYSTEM_TYPE_OF[route.types[0]]
    found = source.assign("None" if route.single else "[]")

    def take(value: str, _element: str, _type: str) -> None:
        reading = _READINGS.get(system, f"read_{system}({{v}})").format(v=value)
        source.line(f"{found} = {reading}" if route.single else f"{found}.append({reading})")

    _Walk(source, take, with_elements=False).write(route)
    return found if route.single else source.assign(f"single_value({found})")


_READINGS = {
    "String": "{v} if type({v}) is str else None",
    "Boolean": "{v} if type({v}) is bool else None",
    "Integer": "{v} if type({v}) is int else None",
}


def _type_text(type_name: str, value: str) -> str:
    """Python for the type of a value: an abstract type's values say themselves what they are."""
    return f"resource_type({value}, {type_name!r})" if type_name in _ABSTRACT else repr(type_name)


class _Walk:
    """Writes the loops of one route around a sink; `until` is a variable that ends them once it is true."""

    def __init__(self, source: Source, sink: Sink, *, with_elements: bool = True, until: str = "") -> None:
        self._source = source
        self._sink = sink
        self._with_elements = with_elements
        self._until = until

    def write(self, route: Route) -> None:
        while len(route.hops) > MAX_HOPS:
            items = write_items(self._source, replace(route, hops=route.hops[:MAX_HOPS]))
            start_type = route.hops[MAX_HOPS - 1].children[0].type_name
            route = Route(items.text, "nodes", start_type, route.hops[MAX_HOPS:], items.single)
        if route.start == "json":
            self._hop(route.text, route.hops)
            return
        item, start = self._source.name("m"), self._source.name("v")
        with self._source.block(f"for {item} in {route.text}:"):
            self._source.line(f"{start} = {item}.{'value' if route.start == 'nodes' else 'element'}")
            with self._source.block(f"if type({start}) is dict:"):
                self._hop(start, route.hops)
            self._leave()

    def _leave(self) -> None:
        if self._until:
            self._source.line(f"if {self._until}: break")

    def _hop(self, parent: str, hops: tuple[Hop, ...]) -> None:
        if not hops:
            return
        hop, rest = hops[0], hops[1:]
        if len(hop.children) > 1:
            self._choice(parent, hop.children)
        elif hop.children[0].is_primitive:
            self._primitive(parent, hop.children[0])
        else:
            self._object(parent, hop, rest)

    def _object(self, parent: str, hop: Hop, rest: tuple[Hop, ...]) -> None:
        child = hop.children[0]
        value = self._source.assign(f"{parent}.get({child.key!r})", "v")
        if not child.repeats:
            self._value(value, hop, rest)
            return
        item = self._source.name("i")
        with self._source.block(f"if type({value}) is list:"), self._source.block(f"for {item} in {value}:"):
            self._value(item, hop, rest)
            self._leave()

    def _value(self, value: str, hop: Hop, rest: tuple[Hop, ...]) -> None:
        conditions = [f"type({value}) is dict", *(test.format(v=value) for test in hop.tests)]
        with self._source.block(f"if {' and '.join(conditions)}:"):
            if rest:
                self._hop(value, rest)
            else:
                self._sink(value, "", _type_text(hop.children[0].type_name, value))

    def _primitive(self, parent: str, child: Child) -> None:
        key, type_name = child.key, repr(child.type_name)
        value, element = self._source.name("v"), self._source.name("e") if self._with_elements else ""
        if child.repeats:
            head = f"for {value}, {element} in pairs({parent}.get({key!r}), {parent}.get({'_' + key!r})):"
            with self._source.block(head if element else f"for {value} in listed({parent}.get({key!r})):"):
                self._sink(value, element, type_name)
                self._leave()
            return
        self._source.line(f"{value} = {parent}.get({key!r})")
        condition = f"if {value} is not None:"
        if element:
            self._source.line(f"{element} = {parent}.get({'_' + key!r})")
            condition = f"if {value} is not None or {element} is not None:"
        with self._source.block(condition):
            self._sink(value, element, type_name)

    def _choice(self, parent: str, children: tuple[Child, ...]) -> None:
        keys = {child.key: child for child in children}
        keys |= {"_" + child.key: child for child in children if child.is_primitive}
        table, known = self._source.constant(keys), self._source.constant(frozenset(keys))
        value, element, type_name = (self._source.name(prefix) for prefix in "vek")
        with (
            self._source.block(f"if not {known}.isdisjoint({parent}):"),
            self._source.block(f"for {value}, {element}, {type_name} in choices({parent}, {table}):"),
        ):
            self._sink(value, element, type_name)
            self._leave()
