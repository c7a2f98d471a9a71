"""Contained resources: which of them are searched, and the parameters of their container that refer to them.

https://hl7.org/fhir/R4/references.html#contained and https://hl7.org/fhir/R4/search.html#contained
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from fhir_dmp.json_text import JsonObject
from fhir_dmp.search.chain import is_followed
from fhir_dmp.search.element import Holds, values_at
from fhir_dmp.search.path import RefersTo
from fhir_dmp.search.space import Parameter

INSIDE = "#"
"""What references to contained resources begin with; so do their ids in facts."""


def contained_in(resource: JsonObject, resource_types: Collection[str]) -> Iterator[JsonObject]:
    """Yields the contained resources of these types that can be referred to, each id once."""
    found = resource.get("contained")
    seen = set()
    for item in found if type(found) is list else ():
        if type(item) is not dict or item.get("resourceType") not in resource_types:
            continue
        name = item.get("id")
        if type(name) is str and name and name not in seen:
            seen.add(name)
            yield item


def ways_into(resource: JsonObject, parameters: Collection[Parameter], holds: Holds) -> dict[str, list[Parameter]]:
    """Returns the parameters whose references lead to contained resources, by the reference (`#m1`).

    Where a parameter follows references to some types only, these are its targets: the type is not looked at here.
    """
    ways: dict[str, list[Parameter]] = {}
    for parameter in filter(is_followed, parameters):
        for reference in dict.fromkeys(_references(resource, parameter, holds)):
            if reference.startswith(INSIDE):
                ways.setdefault(reference, []).append(parameter)
    return ways


def _references(resource: JsonObject, parameter: Parameter, holds: Holds) -> Iterator[str]:
    for route in parameter.paths.routes:
        steps = tuple(step for step in route.steps if not isinstance(step, RefersTo))
        for value in values_at(resource, steps, holds):
            reference = value.get("reference") if type(value) is dict else None
            if type(reference) is str:
                yield reference
