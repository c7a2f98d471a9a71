"""Where in the JSON of a resource the items are that a FHIRPath finds: what FHIRPath Patch has to change.

FHIRPath yields values, not places. So the expression is asked of a copy in which every value is recognised again:
an object by its identity, a primitive by that of the object beside it (`_birthDate`), which each one has in the copy.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from fhir_dmp.fhirpath.compile import Program
from fhir_dmp.fhirpath.model import Model
from fhir_dmp.fhirpath.node import Node, Scope
from fhir_dmp.json_text import Json, JsonObject

BESIDE = "Element"
"""The type of what stands beside a primitive."""


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """One value: of the property `key` of an object, whose type is `type_name`; `index` where the property repeats.

    Where the value is an object, `inner` is it, and `inner_type` its type; of a primitive they are those of the object
    beside it, None where there is none. The resource itself has no `parent`.
    """

    parent: JsonObject | None
    type_name: str
    key: str
    index: int | None = None
    inner: JsonObject | None = None
    inner_type: str = ""


@dataclass(slots=True)
class Located:
    """A copy of a resource, and the place of each of its values by the identity of its mark."""

    copy: JsonObject
    places: dict[int, Place] = field(default_factory=dict)

    def find(self, program: Program, scope: Scope) -> list[Place]:
        """Returns the places of what an expression finds; raises KeyError where it finds what is not in the resource.

        Raises FhirError where the language defines an error, or the budget of the scope is used up.
        """
        nodes = program.run(scope, self.copy)
        return list(dict.fromkeys(self.places[_mark(node)] for node in nodes))


def _mark(node: Node) -> int:
    return id(node.value) if type(node.value) is dict else id(node.element)


def locate(resource: JsonObject, model: Model) -> Located:
    """Returns the copy of a resource whose structure is right, with the places in the resource itself."""
    type_name = resource["resourceType"]
    located = Located({})
    _copy_into(located, located.copy, resource, type_name, model)
    located.places[id(located.copy)] = Place(None, "", "", None, resource, type_name)
    return located


def _copy_into(located: Located, copy: JsonObject, original: JsonObject, type_name: str, model: Model) -> None:
    keys = model.keys(type_name)
    for key, value in original.items():
        child = keys.get(key.removeprefix("_"))
        if child is None or key == "resourceType":
            copy[key] = value
        elif child.is_primitive or child.type_name.startswith("System."):
            _copy_primitive(located, copy, original, type_name, child.key, model)
        elif isinstance(value, list):
            rows = [
                _copy_object(located, Place(original, type_name, key, index), item, child.type_name, model)
                for index, item in enumerate(value)
            ]
            copy[key] = rows
        else:
            copy[key] = _copy_object(located, Place(original, type_name, key), value, child.type_name, model)


def _copy_object(located: Located, place: Place, value: JsonObject, declared: str, model: Model) -> JsonObject:
    inner_type = model.resource_type(value, declared)
    copy: JsonObject = {}
    located.places[id(copy)] = Place(place.parent, place.type_name, place.key, place.index, value, inner_type)
    _copy_into(located, copy, value, inner_type, model)
    return copy


def _copy_primitive(
    located: Located, copy: JsonObject, original: JsonObject, type_name: str, key: str, model: Model
) -> None:
    """Copies a primitive with what stands beside it, once: by its value's key or by the other one."""
    beside = f"_{key}"
    if beside in copy:
        return
    value, element = original.get(key), original.get(beside)
    if key in original:
        copy[key] = value
    if isinstance(value, list) or isinstance(element, list):
        size = max(len(value or ()), len(element or ()))
        elements = [*(element or ()), *[None] * (size - len(element or ()))]
        copy[beside] = [
            _marked(located, Place(original, type_name, key, index), elements[index], model) for index in range(size)
        ]
    else:
        copy[beside] = _marked(located, Place(original, type_name, key), element, model)


def _marked(located: Located, place: Place, element: Json, model: Model) -> JsonObject:
    mark: JsonObject = {}
    located.places[id(mark)] = replace(place, inner=element or None, inner_type=BESIDE)
    if element:
        _copy_into(located, mark, element, BESIDE, model)
    return mark
