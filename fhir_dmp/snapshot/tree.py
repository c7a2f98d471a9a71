"""From rows to a tree and back: https://hl7.org/fhir/R4/elementdefinition.html#id.

The id of a row says which slices it stands in. Rows without a usable id stand in the slices of the rows before them.
"""

from __future__ import annotations

from typing import Literal

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.outcome import Category, error
from fhir_dmp.snapshot.limit import MAX_ELEMENTS, refuse_size
from fhir_dmp.snapshot.node import PLACE, Node
from fhir_dmp.snapshot.shape import check_shape

_HOLDER = "StructureDefinition"

Step = tuple[str, str]
"""An element's name, and the name of its slice or nothing."""


def parse_tree(rows: Json, view: Literal["differential", "snapshot"]) -> Node:
    """Returns the root of a list of ElementDefinitions, which may begin with a descendant of it.

    Raises FhirError for rows that are no ElementDefinitions, belong to several roots or are too many.
    """
    if not isinstance(rows, list) or not rows:
        raise error(
            Category.UNPROCESSABLE, "snapshot-shape", f"The {view} has no list of elements.", f"{_HOLDER}.{view}"
        )
    if len(rows) > MAX_ELEMENTS:
        raise refuse_size("The definition has")
    root = Node("")
    before: list[Step] = []
    for index, row in enumerate(rows):
        where = f"{_HOLDER}.{view}.element[{index}]"
        check_shape(row, where)
        before = _steps(row, before)
        root.name = root.name or before[0][0]
        if before[0][0] != root.name:
            message = f"{row['path']} does not start with {root.name}, as the first element's path does."
            raise error(Category.UNPROCESSABLE, "snapshot-path", message, where)
        node = _descend(root, before[1:])
        node.row = {key: value for key, value in row.items() if key not in PLACE}
        node.index = index
    return root


def parse_id(identifier: str) -> list[Step]:
    """Returns the steps of an element's id, below the root."""
    return [(name, slice_name) for name, _, slice_name in (part.partition(":") for part in identifier.split("."))][1:]


def _steps(row: JsonObject, before: list[Step]) -> list[Step]:
    names = row["path"].split(".")
    steps = _steps_of_id(row.get("id", ""), names) or _steps_after(names, before)
    if row.get("sliceName"):
        steps[-1] = (steps[-1][0], row["sliceName"])
    return steps


def _steps_of_id(identifier: str, names: list[str]) -> list[Step]:
    """The steps of the id where it tells of the path, else none."""
    parts = [(name, slice_name) for name, _, slice_name in (part.partition(":") for part in identifier.split("."))]
    if len(parts) == len(names) and all(_agree(part[0], name) for part, name in zip(parts, names, strict=True)):
        return parts
    return []


def _agree(named: str, name: str) -> bool:
    """Tells whether an id's `value[x]` or `value` stands for the path's `value` (or its shortcut `valueQuantity`)."""
    return named == name or (named.endswith("[x]") and name.startswith(named[:-3]))


def _steps_after(names: list[str], before: list[Step]) -> list[Step]:
    steps: list[Step] = []
    follows = True
    for position, name in enumerate(names):
        follows = follows and position < min(len(before), len(names) - 1) and before[position][0] == name
        steps.append(before[position] if follows else (name, ""))
    return steps


def _descend(node: Node, steps: list[Step]) -> Node:
    for name, slice_name in steps:
        node = node.children.setdefault(name, Node(name))
        if slice_name:
            node = node.home(slice_name).slices.setdefault(slice_name, Node(name, slice_name))
    return node


def build_rows(root: Node) -> list[JsonObject]:
    """Returns the ElementDefinitions of a tree: each element, its children, then its slices with theirs.

    Raises FhirError (too costly) beyond MAX_ELEMENTS.
    """
    rows: list[JsonObject] = []
    _append(rows, root, root.name, root.name)
    return rows


def _append(rows: list[JsonObject], node: Node, path: str, identifier: str) -> None:
    if len(rows) >= MAX_ELEMENTS:
        raise refuse_size("The snapshot would have")
    place: JsonObject = {"id": f"{identifier}:{node.slice_name}" if node.slice_name else identifier, "path": path}
    if node.slice_name:
        place["sliceName"] = node.slice_name
    rows.append(place | node.row)
    for child in node.children.values():
        _append(rows, child, f"{path}.{child.name}", f"{place['id']}.{child.name}")
    for part in node.slices.values():
        _append(rows, part, path, identifier)
