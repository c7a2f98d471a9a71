"""Node: an element of a definition with its children and its slices, so that a list of rows becomes a tree.

A row is an ElementDefinition without its place: `id`, `path` and `sliceName` follow from where a node stands
(https://hl7.org/fhir/R4/elementdefinition.html#id), which lets snapshots share whole branches without copying them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fhir_dmp.json_text import JsonObject

PLACE = frozenset({"id", "path", "sliceName"})
"""What a row says of where it stands."""

_RESLICE_LEVELS = 8


@dataclass(slots=True)
class Node:
    """An element: `children` by name, `slices` by slice name; a reslice `a/b` is a slice of the slice `a`.

    `index` is where its row stood in the list that was read, -1 where a row below it implies the element.
    Built by fhir_dmp.snapshot.tree and the merge, never changed afterwards: branches are shared.
    """

    name: str
    slice_name: str = ""
    row: JsonObject = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)
    slices: dict[str, Node] = field(default_factory=dict)
    index: int = -1

    def home(self, slice_name: str) -> Node:
        """Returns the node whose slice that is: the slice `a` for the reslice `a/b` where there is an `a`."""
        node = self
        for prefix in reslice_prefixes(slice_name):
            node = node.slices.get(prefix, node)
        return node

    def find(self, steps: list[tuple[str, str]]) -> Node | None:
        """Returns the element that (name, slice name) steps lead to from here, or None."""
        node: Node | None = self
        for name, slice_name in steps:
            node = node.children.get(name) if node else None
            if node and slice_name:
                node = node.home(slice_name).slices.get(slice_name)
        return node


def reslice_prefixes(slice_name: str) -> list[str]:
    """Returns what a reslice may be a slice of: `a` and `a/b` for `a/b/c`."""
    parts = slice_name.split("/", _RESLICE_LEVELS)
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def capitalize(code: str) -> str:
    """Returns a type's code as it stands in the name of a choice: `Quantity`, `DateTime`."""
    return code[:1].upper() + code[1:]
