"""What generated code calls to read JSON where types are only known while it runs.

https://hl7.org/fhir/R4/json.html#primitive: a primitive's extensions stand beside it, under `_name`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fhir_dmp.fhirpath.fault import EvaluationError
from fhir_dmp.fhirpath.model import Child, Model
from fhir_dmp.fhirpath.node import Node, Nodes, Scope
from fhir_dmp.json_text import Json, JsonObject


def listed(value: Json) -> Sequence[Json]:
    """Returns a JSON array, or nothing for whatever is none."""
    return value if type(value) is list else ()


def pairs(values: Json, elements: Json) -> Iterable[tuple[Json, Json]]:
    """Returns the values of a repeating primitive, each with its `_element`."""
    if elements is None:
        return () if type(values) is not list else [(value, None) for value in values if value is not None]
    values, elements = listed(values), listed(elements)
    length = max(len(values), len(elements))
    both = zip(_filled(values, length), _filled(elements, length), strict=True)
    return [(value, element) for value, element in both if value is not None or element is not None]


def _filled(values: Sequence[Json], length: int) -> list[Json]:
    return [*values, *[None] * (length - len(values))]


def choices(parent: JsonObject, table: dict[str, Child]) -> list[tuple[Json, Json, str]]:
    """Returns (value, element, type) for each property of a choice that stands in an object.

    The table has what stands beside primitives too, under `_name`.
    """
    found: list[tuple[Json, Json, str]] = []
    for key in [key for key in parent if key in table]:
        if not (key[0] == "_" and key[1:] in parent):
            found += _values(parent, table[key])
    return found


def _values(parent: JsonObject, child: Child) -> list[tuple[Json, Json, str]]:
    value = parent.get(child.key)
    if child.is_primitive:
        element = parent.get("_" + child.key)
        if child.repeats:
            return [(one, other, child.type_name) for one, other in pairs(value, element)]
        return [] if value is None and element is None else [(value, element, child.type_name)]
    values = listed(value) if child.repeats else (value,)
    return [(item, None, child.type_name) for item in values if type(item) is dict]


def _nodes(model: Model, parent: JsonObject, children: Iterable[Child]) -> list[Node]:
    found = []
    for child in children:
        for value, element, type_name in _values(parent, child):
            found.append(
                Node(value, model.resource_type(value, type_name) if child.is_resource else type_name, element)
            )
    return found


def member(model: Model, nodes: Nodes, name: str) -> list[Node]:
    """Returns the children of this name of each node."""
    found: list[Node] = []
    for node in nodes:
        value = node.value if type(node.value) is dict else node.element
        if type(value) is dict:
            type_name = "Element" if value is node.element else node.type_name
            named = model.children(type_name).get(name)
            found += _nodes(model, value, named) if named else ()
            if node.type_name == "System.ClassInfo" and name in value:
                found.append(Node(value[name], "System.String"))
    return found


def children(model: Model, nodes: Nodes) -> list[Node]:
    """Returns all children of each node, in the order in which they stand in the JSON."""
    found: list[Node] = []
    for node in nodes:
        value = node.value
        if type(value) is dict:
            _collect(model, value, node.type_name, found)
        elif type(node.element) is dict:
            _collect(model, node.element, "Element", found)
    return found


def all_children(model: Model, parent: JsonObject, type_name: str) -> list[Node]:
    """Returns all children of a JSON object of this type."""
    found: list[Node] = []
    _collect(model, parent, type_name, found)
    return found


def _collect(model: Model, parent: JsonObject, type_name: str, found: list[Node]) -> None:
    """Adds the children of an object; the bare primitives and the objects, which most are, without a detour."""
    keys = model.keys(type_name)
    for key, value in parent.items():
        child = keys.get(key)
        if child is None:
            beside = keys.get(key[1:]) if key[0:1] == "_" and key[1:] not in parent else None
            found += _nodes(model, parent, (beside,)) if beside else ()
        elif child.repeats or child.is_resource or f"_{key}" in parent:
            found += _nodes(model, parent, (child,))
        elif value is not None and (child.is_primitive or type(value) is dict):
            found.append(Node(value, child.type_name))


def count_children(model: Model, parent: JsonObject, type_name: str) -> int:
    """Counts the children of a JSON object of this type."""
    keys = model.keys(type_name)
    count = 0
    for key, value in parent.items():
        child = keys.get(key)
        if child is None:
            beside = key.startswith("_") and key[1:] not in parent and keys.get(key[1:])
            count += len(_values(parent, beside)) if beside else 0
        elif child.repeats:
            count += len(_values(parent, child))
        else:
            count += child.is_primitive or type(value) is dict
    return count


def root_descendants(model: Model, scope: Scope) -> Nodes:
    """Returns all descendants of %resource; listed once for each Scope, since invariants ask again and again."""
    if scope.root_descendants is None:
        root = Node(scope.root, model.resource_type(scope.root, "Resource"))
        scope.root_descendants = descendants(model, (root,))
    return scope.root_descendants


def descendants(model: Model, nodes: Nodes) -> list[Node]:
    """Returns all children of each node, theirs, and so on: http://hl7.org/fhirpath/N1/#descendants-collection."""
    found: list[Node] = []
    level = children(model, nodes)
    while level:
        found += level
        level = children(model, level)
    return found


def single(nodes: Nodes) -> Node | None:
    """Returns the one item of a collection, None for none; raises EvaluationError for several."""
    if len(nodes) > 1:
        raise EvaluationError(f"a single item is needed here, and there are {len(nodes)}")
    return nodes[0] if nodes else None


def single_value(values: list[Json]) -> Json:
    """Returns the one value of a list, None for none; raises EvaluationError for several."""
    if len(values) > 1:
        raise EvaluationError(f"a single item is needed here, and there are {len(values)}")
    return values[0] if values else None
