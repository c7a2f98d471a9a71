"""Place: where in a definition the generator is, so that whatever it refuses can be pointed at."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from fhir_dmp.outcome import Issue
from fhir_dmp.snapshot.node import Node

_MAX_FINDINGS = 100


@dataclass(frozen=True, slots=True)
class Scope:
    """The definition being worked on, the snapshot it changes, and what is wrong with it so far."""

    url: str
    specializes: bool
    base: Node
    findings: list[Issue] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """An element of the differential: its id, and `index` in the list (-1 where a row below it implies it)."""

    scope: Scope
    parent_id: str
    name: str
    slice_name: str = ""
    index: int = -1

    @property
    def element_id(self) -> str:
        """The id that the element has in the snapshot."""
        own = f"{self.name}:{self.slice_name}" if self.slice_name else self.name
        return f"{self.parent_id}.{own}" if self.parent_id else own

    def step(self, change: Node) -> Place:
        """Returns the place of a child."""
        return Place(self.scope, self.element_id, change.name, index=self._index(change))

    def slice(self, change: Node) -> Place:
        """Returns the place of a slice of this element."""
        return replace(self, slice_name=change.slice_name, index=self._index(change))

    def refuse(self, code: str, message: str) -> None:
        """Records what makes the differential impossible here; beyond a hundred findings nothing is added."""
        if len(self.scope.findings) < _MAX_FINDINGS:
            where = f"StructureDefinition.differential.element[{self.index}]" if self.index >= 0 else ""
            text = f"{self.element_id}: {message}"
            self.scope.findings.append(Issue("error", code, text, where or "StructureDefinition.differential"))

    def _index(self, change: Node) -> int:
        return change.index if change.index >= 0 else self.index
