"""The base definitions as trees: what a profile is held against, to find out in what it differs."""

from __future__ import annotations

from fhir_dmp.conformance.row import Row, parse_row
from fhir_dmp.snapshot.node import Node
from fhir_dmp.snapshot.tree import parse_tree
from fhir_dmp.spec.registry import BASE, Registry


class BaseTrees:
    """The snapshots of R4's own types as trees, read on first use and kept."""

    def __init__(self, model: Registry) -> None:
        """Reads nothing yet."""
        self._model = model
        self._trees: dict[str, Node | None] = {}

    def tree(self, type_name: str) -> Node | None:
        """Returns the tree of a type, None where there is no such type."""
        if type_name not in self._trees:
            definition = self._model.definition(BASE + type_name)
            rows = definition["snapshot"]["element"] if definition else None
            self._trees[type_name] = parse_tree(rows, "snapshot") if rows else None
        return self._trees[type_name]

    def node(self, group: str) -> Node | None:
        """Returns the node of a type (`HumanName`) or backbone element (`Patient.contact`)."""
        type_name, _, path = group.partition(".")
        node = self.tree(type_name)
        for name in path.split(".") if path else ():
            node = node.children.get(name) if node else None
        return node

    def row(self, group: str, name: str = "") -> Row | None:
        """Returns the row of a group, or of its child with this name (`value[x]`); None where there is none."""
        node = self.node(group)
        if node is not None and name:
            node = node.children.get(name) or node.children.get(f"{name}[x]")
        return parse_row(node) if node else None
