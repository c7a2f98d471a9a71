"""The value that a FHIRPath Patch brings, and how it gets into the JSON of a resource.

https://hl7.org/fhir/R4/fhirpatch.html: value[x], or parts that stand for the elements of a type without a name. In JSON
a primitive is two properties, `given` and `_given`, and where it repeats both are kept of one length.
"""

from __future__ import annotations

from copy import deepcopy

from fhir_dmp.fhirpath.model import Child, Model
from fhir_dmp.json_text import Json, JsonObject


class NotApplicable(Exception):
    """An operation that does not apply to the resource as it is; the reason would quote the resource."""


def name_of(key: str, type_name: str, model: Model) -> str:
    """Returns the name of the element that a JSON property is of: `value` of `valueQuantity`."""
    return next(name for name, rows in model.children(type_name).items() if any(row.key == key for row in rows))


def build_value(part: JsonObject, name: str, type_name: str, model: Model) -> tuple[Child, Json, JsonObject | None]:
    """Returns the property for an element of a type, its value (one item), and what stands beside a primitive.

    Raises NotApplicable where the type has no such element, or it does not take a value of this kind.
    """
    children = model.children(type_name).get(name, ())
    key = next((key for key in part if key.startswith("value")), "")
    given = key.removeprefix("value") or next((key[6:] for key in part if key.startswith("_value")), "")
    child = _choose(children, given, model)
    if "resource" in part and child.is_resource:
        return child, deepcopy(part["resource"]), None
    if given:
        return child, deepcopy(part.get(f"value{given}")), deepcopy(part.get(f"_value{given}"))
    if child.is_primitive or child.is_resource or not part.get("part"):
        raise NotApplicable
    return child, _build_object(part, child.type_name, model), None


def _choose(children: tuple[Child, ...], given: str, model: Model) -> Child:
    """The property that takes a value of a kind, `given` as in value[x]; empty for parts and resources."""
    if len(children) > 1:
        children = tuple(row for row in children if given and row.key.endswith(given) and _is_of(row, given, model))
    # which primitive it is, the value tells well enough: it is checked with the whole resource
    if len(children) != 1 or (given and not _is_of(children[0], given, model)):
        raise NotApplicable
    return children[0]


def _is_of(child: Child, given: str, model: Model) -> bool:
    is_primitive = f"{given[0].lower()}{given[1:]}" in model.primitive_types
    return is_primitive if child.is_primitive or child.type_name.startswith("System.") else child.type_name == given


def _build_object(part: JsonObject, type_name: str, model: Model) -> JsonObject:
    made: JsonObject = {}
    for row in part["part"]:
        child, value, element = build_value(row, row.get("name", ""), type_name, model)
        if child.repeats:
            insert_at(made, child.key, len(made.get(child.key, ())), value, element)
        elif child.key in made:
            raise NotApplicable
        else:
            put(made, child.key, value, element)
    return made


def put(parent: JsonObject, key: str, value: Json, element: JsonObject | None) -> None:
    """Sets a property that does not repeat."""
    if value is not None:
        parent[key] = value
    else:
        parent.pop(key, None)
    if element:
        parent[f"_{key}"] = element


def insert_at(parent: JsonObject, key: str, index: int, value: Json, element: JsonObject | None) -> None:
    """Puts an item into a property that repeats."""
    beside = f"_{key}"
    size = max(len(parent.get(key, ())), len(parent.get(beside, ())))
    for name, item in ((key, value), (beside, element)):
        if name in parent or item is not None:
            rows = parent.setdefault(name, [])
            rows += [None] * (size - len(rows))
            rows.insert(index, item)


def remove_at(parent: JsonObject, key: str, index: int) -> None:
    """Takes an item out of a property that repeats; the property goes with its last one."""
    for name in (key, f"_{key}"):
        if name not in parent:
            continue
        if index < len(parent[name]):
            del parent[name][index]
        if not any(item is not None for item in parent[name]):
            del parent[name]
