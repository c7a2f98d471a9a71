"""Node: an element of a CDA document, with the place at which it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Node:
    """One element, in its `parent`; line and column count from 1.

    Those of another namespace than CDA's have it before their name, so that nothing here finds them.
    """

    name: str
    parent: Node | None = field(repr=False)
    attributes: Mapping[str, str]
    line: int
    column: int
    children: list[Node] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        """Where it stands, as FHIRPath (`ClinicalDocument.author.time`): made when asked for, as it may be long."""
        names = []
        node: Node | None = self
        while node:
            names.append(node.name.rpartition(" ")[2])
            node = node.parent
        return ".".join(reversed(names))

    @property
    def text(self) -> str:
        """What stands in it between the elements, its white space as single spaces."""
        return " ".join("".join(self.parts).split())

    def value(self, name: str) -> str:
        """Returns an attribute, "" of one that is absent."""
        return self.attributes.get(name, "").strip()

    def all(self, path: str) -> Iterator[Node]:
        """Yields what a path of names leads to (`author/assignedAuthor`), but for what is said to be null."""
        name, _, rest = path.partition("/")
        for child in self.children:
            if child.name == name and "nullFlavor" not in child.attributes:
                if rest:
                    yield from child.all(rest)
                else:
                    yield child

    def first(self, path: str) -> Node | None:
        """Returns the first that a path leads to, None where there is none."""
        return next(self.all(path), None)
