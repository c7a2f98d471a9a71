"""min and max, and whether JSON writes an array: https://hl7.org/fhir/R4/conformance-rules.html#cardinality."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.spec.structure import Group
from fhir_dmp.validation.finding import LIMIT, RIGHT, Finding, FindingCode, Findings, name_type, one
from fhir_dmp.validation.formats.format import Accept
from fhir_dmp.validation.rule import Rule, Scope


@dataclass(frozen=True, slots=True)
class RequiredRule:
    """The elements that an object has to have. A primitive is also there when its `_` companion is."""

    keys: tuple[str, ...]

    def validate(self, value: Json, scope: Scope) -> Findings:
        """Returns a finding for each element that is absent."""
        del scope
        for key in self.keys:
            if key not in value:
                break
        else:
            return RIGHT
        absent = [key for key in self.keys if key not in value and f"_{key}" not in value]
        return [Finding(FindingCode.REQUIRED, f"the required element '{key}' is absent") for key in absent]

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"required": list(self.keys)}


def build_required(group: Group) -> RequiredRule | None:
    """Builds the rule of a group; choice elements have their own."""
    elements = group.elements.values()
    keys = tuple(element.name for element in elements if element.min and not element.is_choice)
    return RequiredRule(keys) if keys else None


@dataclass(frozen=True, slots=True)
class ArrayRule:
    """An element that repeats: an array of `min` to `max` items, each under the same rule.

    `accept` is the quick yes for items that are strings.
    """

    item: Rule
    min: int
    max: int | None
    accept: Accept | None = None

    def validate(self, value: Json, scope: Scope) -> Findings:
        """Returns what is wrong with the array and its items; stops once there are LIMIT findings."""
        if type(value) is not list or not value:
            return self._refuse(value)
        number = len(value)
        is_right = self.min <= number and (self.max is None or number <= self.max)
        findings = [] if is_right else [self._explain_count(number)]
        accept, validate = self.accept, self.item.validate
        for index, item in enumerate(value):
            if accept is not None and type(item) is str and accept(item):
                continue
            found = validate(item, scope)
            if found:
                findings.extend(finding.under(index) for finding in found)
                if len(findings) >= LIMIT:
                    return findings[:LIMIT]
        return findings

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"array": f"{self.min}..{'*' if self.max is None else self.max}", **self.item.as_json()}

    def _refuse(self, value: Json) -> Findings:
        if value is None or type(value) is list:
            return one(FindingCode.EMPTY, "leave the property out where there is no value: no null, no empty array")
        return one(FindingCode.ARRAY, f"expected an array, found {name_type(value)}: this element may repeat")

    def _explain_count(self, number: int) -> Finding:
        limit = f"at least {self.min}" if number < self.min else f"at most {self.max}"
        return Finding(FindingCode.CARDINALITY, f"expected {limit} items, found {number}")
