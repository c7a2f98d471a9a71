"""GroupRule: invariants and bindings of R4 itself for a type or backbone element, one look-up per JSON property."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from fhir_dmp.conformance.finding import LIMIT, RIGHT, Finding, Findings
from fhir_dmp.conformance.visit import Rule, Visit
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.recurring import UNIQUE
from fhir_dmp.spec.registry import Registry
from fhir_dmp.validation.finding import Step

Check: TypeAlias = Callable[[JsonObject, Json, Visit], Findings]
"""What there is to say of a JSON property: its object, its value, the visit."""


_LOOKS_AROUND = frozenset({"Reference", "Resource", "Extension"})
"""Types of values of which not the value alone decides."""


def may_recur(key: str, group: str, model: Registry) -> bool:
    """Tells whether the values of a resource's property may be those of another, and are worth remembering."""
    return key not in UNIQUE and group not in _LOOKS_AROUND and group not in model.primitive_types


@dataclass(slots=True, eq=False)
class GroupRule:
    """The rules of a group. Made empty and filled once, because types contain themselves; not changed afterwards."""

    name: str
    checks: Mapping[str, Check] = field(default_factory=dict)
    rules: Sequence[Rule] = ()

    def validate(self, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns what there is to say of an object; stops once there are LIMIT findings."""
        del element
        findings: Findings = RIGHT
        checks = self.checks
        for key, item in value.items():
            check = checks.get(key)
            found = check(value, item, visit) if check is not None else RIGHT
            if found:
                findings = [*findings, *found]
                if len(findings) >= LIMIT:
                    return findings
        for rule in self.rules:
            found = rule.validate(value, None, visit)
            if found:
                findings = [*findings, *found]
        return findings

    def as_json(self) -> JsonObject:
        """Returns the rule as data: types contain one another, so a type is named and not printed."""
        return {"group": self.name}


@dataclass(frozen=True, slots=True)
class ValueCheck:
    """A property with one value."""

    step: Step
    companion: str
    rule: Rule

    def check(self, parent: JsonObject, value: Json, visit: Visit) -> Findings:
        """Returns what there is to say of the value."""
        found = self.rule.validate(value, parent.get(self.companion), visit)
        return [finding.under(self.step) for finding in found] if found else RIGHT


@dataclass(frozen=True, slots=True, eq=False)
class RecurringCheck:
    """A property without companion whose values recur: what has nothing to be said of is not looked at again."""

    then: Check

    def check(self, parent: JsonObject, value: Json, visit: Visit) -> Findings:
        """Returns what there is to say of the value."""
        return visit.run.remember(self, value, lambda: self.then(parent, value, visit))


@dataclass(frozen=True, slots=True)
class ArrayCheck:
    """A property with an array of values."""

    step: Step
    companion: str
    rule: Rule

    def check(self, parent: JsonObject, value: Json, visit: Visit) -> Findings:
        """Returns what there is to say of the items that have a value."""
        companions = parent.get(self.companion)
        findings: list[Finding] = []
        validate = self.rule.validate
        for index, item in enumerate(value):
            found = validate(item, companions[index] if companions else None, visit) if item is not None else RIGHT
            if found:
                findings += [finding.under(self.step, index) for finding in found]
                if len(findings) >= LIMIT:
                    break
        return findings
