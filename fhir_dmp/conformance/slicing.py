"""Slicing: https://hl7.org/fhir/R4/profiling.html#slicing. A slice is a name, a condition and a rule.

A condition may be undecided, where it takes a code system or a resource that is not at hand: such an item is in no
slice, and that it was not checked is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from fhir_dmp.conformance.finding import LIMIT, RIGHT, Code, Finding, Findings, Part, has_error, one
from fhir_dmp.conformance.visit import Item, Rule, Visit
from fhir_dmp.json_text import JsonObject

DEFAULT = "@default"
"""The slice of the items that are in no other."""


class Condition(Protocol):
    """What tells the items of a slice."""

    def holds(self, item: Item, visit: Visit) -> bool | None:
        """Tells whether an item is in the slice; None where that is undecided."""

    def as_json(self) -> JsonObject:
        """Returns the condition as data."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice. Without a condition its items are those that keep its rule."""

    name: str
    min: int
    max: int | None
    condition: Condition | None
    rules: Mapping[str, Rule]
    nested: SlicingRule | None

    def holds(self, item: Item, visit: Visit) -> bool | None:
        """Tells whether an item is in the slice."""
        if self.condition:
            return self.condition.holds(item, visit)
        return self.fits(item, visit) if self.rules else None

    def fits(self, item: Item, visit: Visit) -> bool:
        """Tells whether an item keeps the slice's rule."""
        return not has_error(self.validate(item, visit))

    def validate(self, item: Item, visit: Visit) -> Findings:
        """Returns what the slice has to say of an item, counted from the item."""
        rule = self.rules.get(item.key)
        return rule.validate(item.value, item.element, visit) if rule else RIGHT

    def as_json(self) -> JsonObject:
        """Returns the slice as data."""
        described: JsonObject = {"count": f"{self.min}..{'*' if self.max is None else self.max}"}
        described["condition"] = self.condition.as_json() if self.condition else "fits"
        described["rules"] = {key: rule.as_json() for key, rule in self.rules.items()}
        if self.nested:
            described["slicing"] = self.nested.as_json()
        return described


@dataclass(frozen=True, slots=True)
class SlicingRule:
    """The slices of an element, in their order."""

    name: str
    rules: Literal["open", "closed", "openAtEnd"]
    ordered: bool
    slices: tuple[Slice, ...]

    def validate(self, items: Sequence[Item], visit: Visit) -> Findings:
        """Returns what is wrong with the items in each slice, and with those that are in none."""
        members: dict[str, list[Item]] = {part.name: [] for part in self.slices}
        findings: list[Finding] = []
        places: list[int | None] = []
        undecided = 0
        for item in items:
            chosen, is_open = self._choose(item, visit)
            undecided += is_open
            places.append(None if chosen is None else self.slices.index(chosen))
            if chosen is not None:
                members[chosen.name].append(item)
                findings += [_label(finding, item, chosen.name) for finding in chosen.validate(item, visit)]
            elif is_open:
                message = f"what decides in which slice of '{self.name}' an item is, is not at hand"
                findings += visit.run.tell(Code.NOT_CHECKED, f"slicing {self.name}", message)
            elif self.rules == "closed":
                findings += one("error", Code.SLICE, f"this is in none of the slices {self._names()}", *item.steps)
            if len(findings) >= LIMIT:
                return findings
        findings += self._explain_order(items, places)
        return [*findings, *self._validate_members(members, visit, undecided)]

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {
            "rules": self.rules,
            "ordered": self.ordered,
            "slices": {part.name: part.as_json() for part in self.slices},
        }

    def _choose(self, item: Item, visit: Visit) -> tuple[Slice | None, bool]:
        """The slice of an item, and whether that is undecided. Of several, the one whose rule the item keeps."""
        is_open = False
        found = []
        for part in self.slices:
            verdict = part.holds(item, visit) if part.name != DEFAULT else False
            is_open = is_open or verdict is None
            if verdict:
                found.append(part)
        if found:
            return next((part for part in found if len(found) > 1 and part.fits(item, visit)), found[0]), False
        default = next((part for part in self.slices if part.name == DEFAULT), None)
        return (None, True) if is_open else (default, False)

    def _explain_order(self, items: Sequence[Item], places: list[int | None]) -> Findings:
        findings: list[Finding] = []
        highest = -1
        ended = False
        for item, place in zip(items, places, strict=True):
            if place is None:
                ended = True
                continue
            if self.rules == "openAtEnd" and ended:
                message = f"items that are in none of the slices {self._names()} come last, and one stands before this"
                findings += one("error", Code.SLICE, message, *item.steps)
            if self.ordered and place < highest:
                findings += one("error", Code.SLICE, f"the slices are ordered: {self._names()}", *item.steps)
            highest = max(highest, place)
        return findings

    def _validate_members(self, members: Mapping[str, list[Item]], visit: Visit, undecided: int) -> Findings:
        findings: list[Finding] = []
        for part in self.slices:
            number, name = len(members[part.name]), f"{self.name}:{part.name}"
            if number + undecided < part.min:
                absent = f"the required slice '{name}' is absent"
                few = f"expected at least {part.min} of '{name}', found {number}"
                findings += one("error", Code.CARDINALITY, few if number else absent)
            if part.max is not None and number > part.max:
                message = f"expected at most {part.max} of '{name}', found {number}"
                findings += one("error", Code.CARDINALITY, message)
            if part.nested:
                findings += part.nested.validate(members[part.name], visit)
        return findings

    def _names(self) -> str:
        return ", ".join(part.name for part in self.slices if part.name != DEFAULT)


def _label(finding: Finding, item: Item, name: str) -> Finding:
    index = item.steps[-1]
    steps = (*item.steps[:-1], Part(name, index)) if isinstance(index, int) else (*item.steps, Part(name, None))
    return finding.under(*steps)
