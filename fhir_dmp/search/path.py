"""The paths of a search parameter's expression, resolved against the type's snapshot into routes through its JSON.

Nearly every expression of R4 is a union of paths with a cast or a simple condition; a route is such a path down to one
JSON property. What is more than that stays FHIRPath (`residue`). https://hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from fhir_dmp.spec.registry import Registry
from fhir_dmp.spec.structure import Property

_CAST = re.compile(r"^\((.+) as (\w+)\)")
_STEP = re.compile(r"\.(\w+)(?:\(((?:[^()']|\(\)|'[^']*')*)\))?")
_HEAD = re.compile(r"\(*([A-Z]\w*)")
_REFERS_TO = re.compile(r"resolve\(\) is (\w+)")
_EQUALS = re.compile(r"(\w+)\s*=\s*'([^']*)'")
_EVERY_TYPE = ("Resource", "DomainResource")


@dataclass(frozen=True, slots=True)
class Key:
    """A JSON property; its value is an array where the element repeats, and only there."""

    name: str
    repeats: bool


@dataclass(frozen=True, slots=True)
class Equals:
    """Keeps the objects whose property has this value."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class RefersTo:
    """Keeps the References to a resource of this type."""

    resource_type: str


Step = Key | Equals | RefersTo


@dataclass(frozen=True, slots=True)
class Route:
    """JSON keys, with conditions between them, down to values of one FHIR type.

    `targets` are the types a Reference may lead to ("Resource": any), `value_set` is what a code is bound to by a
    required binding. `group` is what has the value's children ("": none), `element` the path in element names, which of
    a choice are not the JSON keys.
    """

    steps: tuple[Step, ...]
    type: str
    targets: tuple[str, ...] = ()
    value_set: str = ""
    group: str = ""
    element: str = ""

    @property
    def repeats(self) -> bool:
        """Tells whether a resource may have several of these values."""
        return any(isinstance(step, Key) and step.repeats for step in self.steps)


@dataclass(frozen=True, slots=True)
class Paths:
    """An expression for one resource type: its routes, how many paths they came from, and what stays FHIRPath."""

    routes: tuple[Route, ...]
    elements: frozenset[str]
    residue: tuple[str, ...]


def resolve_paths(expression: str, resource_type: str, registry: Registry) -> Paths:
    """Returns the routes of an expression for one type; the parts that are about other types are left out."""
    routes: list[Route] = []
    residue = []
    for written in split_union(expression):
        branch = f"{resource_type}.{written}" if written[:1].islower() else written
        head = _HEAD.match(branch)
        if head is None or head[1] not in (resource_type, *_EVERY_TYPE):
            continue
        steps = _parse_steps(branch, head[1])
        if steps is None:
            residue.append(branch)
        else:
            routes += _resolve(steps, resource_type, registry)
    return Paths(tuple(routes), frozenset(route.element for route in routes), tuple(residue))


def split_union(expression: str) -> list[str]:
    """Returns the operands of the outermost `|` of an expression."""
    branches, depth, start, quoted = [], 0, 0, False
    for at, character in enumerate(expression):
        quoted ^= character == "'"
        depth += (character == "(") - (character == ")")
        if character == "|" and depth == 0 and not quoted:
            branches.append(expression[start:at].strip())
            start = at + 1
    return [branch for branch in (*branches, expression[start:].strip()) if branch]


def _parse_steps(branch: str, head: str) -> list[tuple[str, str | None]] | None:
    """The steps after the type's name as (name, argument or None); None where the branch is no mere path."""
    text = _CAST.sub(r"\1.as(\2)", branch).removeprefix(head)
    steps: list[tuple[str, str | None]] = []
    at = 0
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None or (step[2] is not None and _parse_function(step[1], step[2]) is None):
            return None
        steps.append((step[1], step[2]))
        at = step.end()
    return steps


def _parse_function(name: str, argument: str) -> tuple[Step, ...] | None:
    """What a function adds to a route (`as` nothing); None where routes cannot express it."""
    if name in {"as", "ofType"}:
        return ()
    if name == "extension":
        return (Equals("url", argument.strip("'")),)
    if name == "where":
        refers, equals = _REFERS_TO.fullmatch(argument), _EQUALS.fullmatch(argument)
        if refers:
            return (RefersTo(refers[1]),)
        if equals:
            return (Equals(equals[1], equals[2]),)
    return None


def _resolve(steps: list[tuple[str, str | None]], resource_type: str, registry: Registry) -> Iterable[Route]:
    routes = [Route((), resource_type, group=resource_type, element=resource_type)]
    for name, argument in steps:
        routes = [further for route in routes for further in _advance(route, name, argument, registry)]
    return [ended for route in routes for ended in _end(route, registry)]


def _advance(route: Route, name: str, argument: str | None, registry: Registry) -> Iterator[Route]:
    if argument is None:
        yield from _children(route, name, registry)
    elif name in {"as", "ofType"}:
        # R4 writes value.as(DateTime) in code-value-date
        if registry.is_subtype(route.type, argument) or route.type.casefold() == argument.casefold():
            yield route
    elif name == "extension":
        for further in _children(route, "extension", registry):
            condition = _parse_function(name, argument) or ()
            yield replace(further, steps=further.steps + condition, element=f"{further.element}({argument})")
    else:
        yield replace(route, steps=route.steps + (_parse_function(name, argument) or ()))


def _children(route: Route, name: str, registry: Registry) -> Iterator[Route]:
    properties = registry.group(route.group).properties if route.group else {}
    for child in properties.values():
        if child.element.name == name:
            yield _into(route, child, registry)


def _into(route: Route, child: Property, registry: Registry) -> Route:
    binding = child.element.binding
    type_code = child.type.code
    has_children = type_code not in registry.primitive_types and type_code != "Resource"
    return Route(
        steps=(*route.steps, Key(child.key, child.element.repeats)),
        type=type_code,
        targets=tuple(profile.rsplit("/", 1)[-1] for profile in child.type.target_profiles),
        value_set=binding.value_set.partition("|")[0] if binding and binding.strength == "required" else "",
        group=child.group if has_children else "",
        element=f"{route.element}.{child.element.name}",
    )


def _end(route: Route, registry: Registry) -> Iterator[Route]:
    """An extension at the end of a path stands for its value."""
    if route.type == "Extension":
        yield from _children(route, "value", registry)
    else:
        yield route
