"""Choice types in a differential: slices by type, and the shortcut path `Observation.valueQuantity`.

https://hl7.org/fhir/R4/profiling.html#slicing: each type of a choice is a slice named for it, and a path that names
the type stands for that slice, leaving the choice with the types so named.
"""

from __future__ import annotations

from dataclasses import replace

from fhir_dmp.json_text import JsonObject
from fhir_dmp.snapshot.node import Node, capitalize

SUFFIX = "[x]"


def type_slicing(rules: str) -> JsonObject:
    """Returns the slicing of a choice by its types."""
    return {"discriminator": [{"type": "type", "path": "$this"}], "ordered": False, "rules": rules}


def types_named(choice: Node, name: str) -> list[JsonObject]:
    """Returns the types of a choice that the name `valueQuantity` stands for, none where it is no name of its."""
    stem = choice.name.removesuffix(SUFFIX)
    if not name.startswith(stem):
        return []
    return [item for item in choice.row.get("type", []) if name == stem + capitalize(item["code"])]


def expand_shortcuts(children: dict[str, Node], changes: dict[str, Node]) -> dict[str, Node]:
    """Returns the changes where those of a shortcut (`valueQuantity`) are changes of a slice of the choice."""
    if all(name in children for name in changes):
        return changes
    choices = [node for node in children.values() if node.name.endswith(SUFFIX)]
    expanded = dict(changes)
    shortcuts: dict[str, list[Node]] = {}
    for name, change in changes.items():
        choice = None if name in children else next((node for node in choices if types_named(node, name)), None)
        if choice is not None:
            shortcuts.setdefault(choice.name, []).append(change)
            del expanded[name]
    for name, found in shortcuts.items():
        expanded[name] = _sliced(children[name], found, changes.get(name))
    return expanded


def _sliced(choice: Node, shortcuts: list[Node], change: Node | None) -> Node:
    """The change of a choice that shortcuts stand for. Alone, they leave it their types; else it says so itself."""
    parts: dict[str, Node] = {}
    types: list[JsonObject] = []
    for shortcut in shortcuts:
        own = types_named(choice, shortcut.name)
        types += own
        for part in _named(shortcut):
            parts[part.slice_name] = replace(part, name=choice.name, row={"type": own} | part.row)
    if change is not None:
        return replace(change, slices=change.slices | parts)
    row = {} if "slicing" in choice.row else {"type": types, "slicing": type_slicing("closed")}
    return Node(choice.name, row=row, slices=parts, index=shortcuts[0].index)


def _named(shortcut: Node) -> list[Node]:
    """The slices a shortcut stands for: the one of its own name, or those it names."""
    own = replace(shortcut, slice_name=shortcut.name, slices={})
    return [*shortcut.slices.values()] if shortcut.slices and not shortcut.row else [own, *shortcut.slices.values()]
