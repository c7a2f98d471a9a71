"""Snapshots as trees that go on where they end: into the profile of a type, and into R4's own types."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fhir_dmp.conformance.base import BaseTrees
from fhir_dmp.conformance.profiles import Profiles
from fhir_dmp.snapshot.node import Node
from fhir_dmp.spec.structure import Property
from tests.conformance.mutation.place import Json

Step = tuple[str, str]
"""The name of an element and of a slice of it, or nothing."""
Steps = tuple[Step, ...]


@dataclass(slots=True)
class Trees:
    """What is said of the elements of a resource. `group` is the type or backbone element a value is written as."""

    profiles: Profiles
    base: BaseTrees = field(init=False)

    def __post_init__(self) -> None:
        self.base = BaseTrees(self.profiles.model)

    def children(self, node: Node, group: str) -> dict[str, Node]:
        """Returns the elements below one: what it says itself, then what the profile of its type says, then R4."""
        base = self.base.node(group)
        found = dict(base.children) if base else {}
        tree = self.profile_of(node)
        if tree is not None:
            found |= tree.children
        return found | node.children

    def profile_of(self, node: Node) -> Node | None:
        """Returns the snapshot of the only profile that the types of an element name."""
        named = profiles_of(node)
        return self.profiles.tree(named[0]) if len(named) == 1 else None

    def members(self, name: str, group: str) -> list[Property]:
        """Returns the JSON properties that an element may be written as."""
        plain = name.removesuffix("[x]")
        try:
            properties = self.profiles.model.group(group).properties.values()
        except KeyError:
            return []
        return [item for item in properties if item.element.name == plain]


def profiles_of(node: Node) -> list[str]:
    """Returns the profiles that the types of an element name."""
    return [canonical for item in node.row.get("type", ()) for canonical in item.get("profile", ())]


def codes_of(node: Node) -> list[str]:
    """Returns the types that an element may have."""
    return [item["code"] for item in node.row.get("type", ())]


def slices_of(node: Node) -> Iterator[Node]:
    """Yields the slices of an element, with theirs."""
    for part in node.slices.values():
        yield part
        yield from slices_of(part)


def value_of(node: Node) -> tuple[str, Json] | None:
    """Returns the name of a fixed[x] or pattern[x], and its value."""
    row: dict[str, Any] = node.row
    found = [(key, value) for key, value in row.items() if key.startswith(("fixed", "pattern"))]
    return found[0] if found else None


def name_of(steps: Steps) -> str:
    """Returns steps as the id of an element has them."""
    return ".".join(f"{name}:{part}" if part else name for name, part in steps)
