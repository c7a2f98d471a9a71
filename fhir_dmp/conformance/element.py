"""ElementRule: what a profile says of one element of an object: how often, of which types, in which slices, and what.

https://hl7.org/fhir/R4/profiling.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest

from fhir_dmp.conformance.finding import LIMIT, RIGHT, Code, Finding, Findings, one
from fhir_dmp.conformance.slicing import SlicingRule
from fhir_dmp.conformance.visit import Item, Rule, Visit
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.validation.finding import Step


@dataclass(frozen=True, slots=True)
class Member:
    """A JSON property that an element is written as: `valueQuantity` for `value[x]`."""

    key: str
    step: Step
    type_name: str
    code: str
    repeats: bool

    def items(self, parent: JsonObject) -> list[Item]:
        """Returns the values of the property with what stands beside them."""
        key, kind, step = self.key, self.type_name, self.step
        value, companion = parent.get(key), parent.get(f"_{key}")
        if value is None and companion is None:
            return []
        if not self.repeats:
            return [Item(key, kind, value, companion, (step,))]
        both = enumerate(zip_longest(value or (), companion or ()))
        return [Item(key, kind, item, element, (step, index)) for index, (item, element) in both]


@dataclass(frozen=True, slots=True)
class Count:
    """min and max of an element, where a profile narrows them. `max` is None where there is no limit."""

    min: int
    max: int | None

    def explain(self, name: str, number: int) -> str:
        """Returns what is wrong with a number of items, empty where nothing is."""
        if number < self.min:
            return f"the required element '{name}' is absent" if self.min == 1 else self._say(name, number)
        if self.max is None or number <= self.max:
            return ""
        return f"the element '{name}' is not allowed here" if self.max == 0 else self._say(name, number)

    def _say(self, name: str, number: int) -> str:
        limit = f"at least {self.min}" if number < self.min else f"at most {self.max}"
        return f"expected {limit} of '{name}', found {number}"


@dataclass(slots=True, eq=False)
class ElementRule:
    """What a profile demands of an element. `types` are the JSON properties it leaves a choice, None where all."""

    name: str
    members: tuple[Member, ...]
    count: Count | None
    types: frozenset[str] | None
    rules: Mapping[str, Rule]
    slicing: SlicingRule | None
    recurs: bool = False
    """Whether its values may be those of another resource: then it is one property, without companion."""
    _keys: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Finds out which properties the element is written as, with what stands beside them."""
        keys = [member.key for member in self.members]
        self._keys = frozenset([*keys, *[f"_{key}" for key in keys]])

    def validate(self, value: JsonObject, visit: Visit) -> Findings:
        """Returns what there is to say of the element in an object."""
        item = value.get(self.members[0].key) if self.recurs else None
        if item is None:
            return self._validate(value, visit)
        return visit.run.remember(self, item, lambda: self._validate(value, visit))

    def _validate(self, value: JsonObject, visit: Visit) -> Findings:
        items: list[Item] = []
        if not self._keys.isdisjoint(value):
            items = [item for member in self.members for item in member.items(value)]
        elif self.count is None and self.slicing is None:
            return RIGHT
        findings: list[Finding] = []
        reason = self.count.explain(self.name, len(items)) if self.count else ""
        if reason:
            findings += one("error", Code.CARDINALITY, reason)
        for item in items:
            findings += self._validate_item(item, visit)
            if len(findings) >= LIMIT:
                return findings
        if self.slicing:
            findings += self.slicing.validate(items, visit)
        return findings

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        described: JsonObject = {}
        if self.count:
            described["count"] = f"{self.count.min}..{'*' if self.count.max is None else self.count.max}"
        if self.types is not None:
            described["types"] = sorted(self.types)
        if self.rules:
            described["rules"] = {key: rule.as_json() for key, rule in self.rules.items()}
        if self.slicing:
            described["slicing"] = self.slicing.as_json()
        return described

    def _validate_item(self, item: Item, visit: Visit) -> Findings:
        if self.types is not None and item.key not in self.types:
            allowed = ", ".join(sorted(self.types)) or "none"
            return one("error", Code.TYPE, f"a profile leaves other types here: {allowed}", *item.steps)
        rule = self.rules.get(item.key)
        found = rule.validate(item.value, item.element, visit) if rule else RIGHT
        return [finding.under(*item.steps) for finding in found] if found else RIGHT


@dataclass(frozen=True, slots=True)
class ObjectRule:
    """The elements of an object that a profile says something of; of a primitive, those beside its value."""

    elements: tuple[ElementRule, ...]

    def validate(self, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns what there is to say of each element; stops once there are LIMIT findings."""
        target: JsonObject = value if type(value) is dict else element or {}
        findings: Findings = RIGHT
        for rule in self.elements:
            found = rule.validate(target, visit)
            if found:
                findings = [*findings, *found]
                if len(findings) >= LIMIT:
                    break
        return findings

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"elements": {rule.name: rule.as_json() for rule in self.elements}}


@dataclass(slots=True, eq=False)
class LinkRule:
    """The rule of the element that a content reference leads to. Made empty and filled once."""

    path: str
    rule: Rule | None = None

    def validate(self, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns what that rule has to say."""
        return self.rule.validate(value, element, visit) if self.rule else RIGHT

    def as_json(self) -> JsonObject:
        """Returns the rule as data: elements contain one another, so the path stands for the rule."""
        return {"content": self.path}
