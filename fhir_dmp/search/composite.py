"""Composite parameters: the elements that they look at, and where in such an element each component is.

https://hl7.org/fhir/R4/searchparameter.html#SearchParameter.component
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fhir_dmp.search.conversion import is_converted
from fhir_dmp.search.path import Route, Step, resolve_paths, split_union
from fhir_dmp.spec.registry import Registry
from fhir_dmp.spec.search_parameter import Component, ParameterType, SearchParameter

_OF_RESOURCE = "%resource."


@dataclass(frozen=True, slots=True)
class Part:
    """Where the values of a component are: routes from the element, or (`is_of_resource`) from the resource."""

    type: ParameterType
    routes: tuple[Route, ...]
    is_of_resource: bool = False


@dataclass(frozen=True, slots=True)
class Base:
    """The elements at the end of some steps, and the parts of a composite in each."""

    steps: tuple[Step, ...]
    parts: tuple[Part, ...]


def resolve_bases(parameter: SearchParameter, resource_type: str, registry: Registry) -> tuple[Base, ...]:
    """Returns the elements of a composite parameter for one type; none of a parameter that is no composite."""
    if parameter.type != "composite":
        return ()
    return tuple(
        Base(
            route.steps,
            tuple(_resolve_part(item, branch, route, resource_type, registry) for item in parameter.components),
        )
        for branch in split_union(parameter.expression)
        for route in resolve_paths(branch, resource_type, registry).routes
    )


def _resolve_part(component: Component, base: str, route: Route, resource_type: str, registry: Registry) -> Part:
    definition = registry.search_parameter(component.definition)
    kind = definition.type if definition else "special"
    if component.expression.startswith(_OF_RESOURCE):
        path = component.expression.replace(_OF_RESOURCE, f"{resource_type}.")
        return Part(kind, resolve_paths(path, resource_type, registry).routes, is_of_resource=True)
    written = " | ".join(f"{base}.{path}" for path in split_union(component.expression))
    routes = _inside(route, resolve_paths(written, resource_type, registry).routes)
    if definition and not any(is_converted(kind, item) for item in routes):
        # R4 has the two expressions of DocumentReference's `relationship` the wrong way round
        routes = _inside(route, resolve_paths(definition.expression, resource_type, registry).routes)
    return Part(kind, routes)


def _inside(base: Route, routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """The routes that lead through an element, from there on."""
    depth = len(base.steps)
    return tuple(replace(item, steps=item.steps[depth:]) for item in routes if item.steps[:depth] == base.steps)
