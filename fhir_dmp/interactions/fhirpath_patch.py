"""FHIRPath Patch: operations in a Parameters resource, https://hl7.org/fhir/R4/fhirpatch.html.

Each path is FHIRPath and has to lead to one place in the resource (`delete`: at most one; `insert` and `move`: to one
list). What it makes is checked as an update is, by whoever called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from fhir_dmp.fhirpath.compile import Program
from fhir_dmp.fhirpath.model import Model
from fhir_dmp.fhirpath.node import Budget, Scope
from fhir_dmp.interactions.patch_place import BESIDE, Located, Place, locate
from fhir_dmp.interactions.patch_value import NotApplicable, build_value, insert_at, name_of, put, remove_at
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.outcome import Category, FhirError, error

MAX_OPERATIONS = 1000
MOST_LENGTH = 10_000
"""Characters of one path."""
_NEEDED = {
    "add": {"path", "name", "value"},
    "insert": {"path", "index", "value"},
    "delete": {"path"},
    "replace": {"path", "value"},
    "move": {"path", "source", "destination"},
}
_TYPES = {"type": "Code", "path": "String", "name": "String", "index": "Integer", "source": "Integer",
          "destination": "Integer"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `value` is the part that carries it, None where the kind has none; numbers are -1 there."""

    kind: str
    path: str
    name: str = ""
    value: JsonObject | None = None
    index: int = -1
    source: int = -1
    destination: int = -1


def parse_operations(parameters: JsonObject) -> tuple[Operation, ...]:
    """Returns the operations of a Parameters resource whose structure is right; raises FhirError (malformed)."""
    rows: Sequence[JsonObject] = parameters.get("parameter", ())
    if len(rows) > MAX_OPERATIONS:
        raise _malformed(f"it has more than {MAX_OPERATIONS} operations", "Parameters.parameter")
    return tuple(_parse_operation(row, f"Parameters.parameter[{index}]") for index, row in enumerate(rows))


def _parse_operation(row: JsonObject, at: str) -> Operation:
    parts = {part.get("name", ""): part for part in row.get("part", ())}
    if row.get("name") != "operation" or len(parts) != len(row.get("part", ())):
        raise _malformed("each parameter is named operation, and has each of its parts once", at)
    kind = str(parts.get("type", {}).get("valueCode", parts.get("type", {}).get("valueString", "")))
    if kind not in _NEEDED:
        raise _malformed("the type of an operation is add, insert, delete, replace or move", at)
    if parts.keys() - {"type"} != _NEEDED[kind]:
        raise _malformed(f"{kind} has the parts {', '.join(sorted(_NEEDED[kind]))}", at)
    read = {name: _read_part(parts[name], name, at) for name in parts.keys() & _TYPES.keys() - {"type"}}
    return Operation(kind, value=parts.get("value"), **read)


def _read_part(part: JsonObject, name: str, at: str) -> Json:
    value = part.get(f"value{_TYPES[name]}")
    if value is None or (isinstance(value, str) and len(value) > MOST_LENGTH) or (isinstance(value, int) and value < 0):
        kind = _TYPES[name].lower()
        raise _malformed(f"{name} is a {kind}, not negative, of at most {MOST_LENGTH:,} characters", at)
    return value


def _malformed(message: str, at: str) -> FhirError:
    return error(Category.MALFORMED, "patch-malformed", f"Not a FHIRPath Patch: {message}.", at)


def apply_operations(operations: Iterable[Operation], resource: JsonObject, model: Model) -> JsonObject:
    """Changes the resource in place and returns it.

    Raises FhirError: unprocessable (an operation that does not apply, told by its number alone), invalid parameter
    (what is no FHIRPath), too costly (all operations share the budget of one evaluation).
    """
    budget = Budget()
    for index, operation in enumerate(operations):
        program = Program(operation.path, model, resource["resourceType"], strict=False)
        located = locate(resource, model)
        budget.left -= len(located.places)
        if budget.left < 0:
            raise error(Category.TOO_COSTLY, "patch-too-costly", "The patch takes too many steps.")
        try:
            places = located.find(program, Scope(located.copy, budget=budget))
            _APPLY[operation.kind](operation, places, located, model)
        except (NotApplicable, KeyError):
            message = f"Operation {index} of the patch ({operation.kind}) does not apply."
            at = f"Parameters.parameter[{index}]"
            raise error(Category.UNPROCESSABLE, "patch-not-applicable", message, at) from None
    return resource


def _add(operation: Operation, places: Sequence[Place], _: Located, model: Model) -> None:
    inner, inner_type = _object_at(_only(places))
    child, value, element = build_value(operation.value or {}, operation.name, inner_type, model)
    if child.repeats:
        insert_at(inner, child.key, len(_items(inner, child.key)), value, element)
        return
    if any(row.key in inner or f"_{row.key}" in inner for row in model.children(inner_type)[operation.name]):
        raise NotApplicable
    put(inner, child.key, value, element)


def _object_at(place: Place) -> tuple[JsonObject, str]:
    """The object that a place has; of a primitive, the one beside it, which may be new."""
    if place.inner is not None:
        return place.inner, place.inner_type
    parent = _parent_of(place)
    beside = f"_{place.key}"
    if place.index is None:
        return parent.setdefault(beside, {}), BESIDE
    elements = parent.setdefault(beside, [])
    elements += [None] * (len(_items(parent, place.key)) - len(elements))
    elements[place.index] = elements[place.index] or {}
    return elements[place.index], BESIDE


def _insert(operation: Operation, places: Sequence[Place], _: Located, model: Model) -> None:
    parent, key, type_name = _list_of(places)
    child, value, element = build_value(operation.value or {}, name_of(key, type_name, model), type_name, model)
    if operation.index > len(_items(parent, key)):
        raise NotApplicable
    insert_at(parent, child.key, operation.index, value, element)


def _replace(operation: Operation, places: Sequence[Place], _: Located, model: Model) -> None:
    place = _only(places)
    parent = _parent_of(place)
    name = name_of(place.key, place.type_name, model)
    child, value, element = build_value(operation.value or {}, name, place.type_name, model)
    if place.index is not None:
        remove_at(parent, place.key, place.index)
        insert_at(parent, place.key, place.index, value, element)
        return
    parent.pop(f"_{place.key}", None)
    if child.key != place.key:
        parent.pop(place.key, None)
    put(parent, child.key, value, element)


def _delete(_: Operation, places: Sequence[Place], located: Located, __: Model) -> None:
    if places:
        _remove(_only(places), located)


def _remove(place: Place, located: Located) -> None:
    """Takes a value away, and what has become empty by that: FHIR has no empty elements."""
    parent = _parent_of(place)
    if place.index is None:
        parent.pop(place.key, None)
        parent.pop(f"_{place.key}", None)
    else:
        remove_at(parent, place.key, place.index)
    holder = next((row for row in located.places.values() if row.inner is parent), None) if not parent else None
    if holder and holder.parent is not None:
        # of a primitive, only what stood beside it is empty now
        key = f"_{holder.key}" if holder.inner_type == BESIDE else holder.key
        _remove(replace(holder, key=key), located)


def _move(operation: Operation, places: Sequence[Place], _: Located, __: Model) -> None:
    parent, key, _type = _list_of(places)
    size = len(_items(parent, key))
    if operation.source >= size or operation.destination >= size:
        raise NotApplicable
    for name in (key, f"_{key}"):
        if name in parent:
            rows = parent[name]
            rows += [None] * (size - len(rows))
            rows.insert(operation.destination, rows.pop(operation.source))


def _only(places: Sequence[Place]) -> Place:
    if len(places) != 1:
        raise NotApplicable
    return places[0]


def _parent_of(place: Place) -> JsonObject:
    if place.parent is None:
        raise NotApplicable
    return place.parent


def _list_of(places: Sequence[Place]) -> tuple[JsonObject, str, str]:
    """The one property whose values a path finds, all of them: its object, its key, the object's type."""
    if not places or places[0].index is None:
        raise NotApplicable
    first = places[0]
    parent = _parent_of(first)
    same = [row for row in places if row.parent is parent and row.key == first.key]
    if len(same) != len(places) or len(places) != len(_items(parent, first.key)):
        raise NotApplicable
    return parent, first.key, first.type_name


def _items(parent: JsonObject, key: str) -> list[Json]:
    """The values of a repeating property; of primitives that have extensions only, null for each."""
    found: list[Json] = parent.get(key) or [None] * len(parent.get(f"_{key}", ()))
    return found


_APPLY: dict[str, Callable[[Operation, Sequence[Place], Located, Model], None]] = {
    "add": _add, "insert": _insert, "delete": _delete, "replace": _replace, "move": _move,
}  # fmt: skip
