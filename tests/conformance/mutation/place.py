"""Places in a JSON resource: the keys and indices from its root, and what FHIRPath calls them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_dmp.spec.registry import Registry

Json = Any
Place = tuple[str | int, ...]


def at(resource: Json, place: Sequence[str | int]) -> Json:
    """Returns the value at a place."""
    for step in place:
        resource = resource[step]
    return resource


def remove(resource: Json, place: Place) -> None:
    """Takes a value away; an array that is empty then too, and an object gets an extension so that it is not."""
    parent = at(resource, place[:-1])
    del parent[place[-1]]
    if parent == []:
        remove(resource, place[:-1])
    elif parent == {}:
        parent["extension"] = [{"url": "http://example.org/extension", "valueString": "text"}]


def replace(resource: Json, place: Place, value: Json) -> None:
    """Puts another value at a place."""
    at(resource, place[:-1])[place[-1]] = value


def expression_of(resource: Json, place: Place, model: Registry) -> str:
    """Returns the place as FHIRPath has it: `Observation.value` for `valueQuantity`."""
    group = resource["resourceType"]
    text = group
    for step in place:
        if isinstance(step, int):
            text += f"[{step}]"
            continue
        resource = resource.get(step) if isinstance(resource, dict) else None
        prop = model.group(group).properties[step]
        text += f".{prop.element.name}"
        group = prop.group
    return str(text)
