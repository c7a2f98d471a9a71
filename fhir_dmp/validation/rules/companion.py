"""The id and extensions of a primitive, in a property of their own: `_birthDate` beside `birthDate`.

https://hl7.org/fhir/R4/json.html#primitive
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.validation.finding import LIMIT, Finding, FindingCode, Findings, Step, one, wrong_type
from fhir_dmp.validation.rule import Rule, Scope

_NO_CONTENT = "an element has a value, or else extensions (ele-1)"


@dataclass(frozen=True, slots=True)
class CompanionRule:
    """A primitive that does not repeat: the companion is an object, with extensions where the value is absent."""

    key: str
    step: Step
    companion: Rule

    def validate_pair(self, value: JsonObject, scope: Scope) -> Findings:
        """Returns what is wrong with the companion; the value has its own rule."""
        item = value[self.step.key]
        found = self.companion.validate(item, scope)
        if not found and self.key not in value and "extension" not in item:
            found = one(FindingCode.NO_CONTENT, _NO_CONTENT)
        return [finding.under(self.step) for finding in found]

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return self.companion.as_json()


@dataclass(frozen=True, slots=True)
class CompanionArrayRule:
    """A primitive that repeats: two arrays of the same length, null where one of the two has nothing to say."""

    key: str
    step: Step
    item: Rule
    companion: Rule

    def validate_pair(self, value: JsonObject, scope: Scope) -> Findings:
        """Returns what is wrong with the two arrays, and with the items of both if both are arrays."""
        companions, items = value[self.step.key], value.get(self.key, [])
        if type(companions) is not list:
            return one(FindingCode.ARRAY, f"expected an array like '{self.key}'", self.step)
        if not companions:
            return one(FindingCode.EMPTY, "leave the property out: no empty array", self.step)
        if type(items) is not list:
            items = []
        elif self.key in value and len(items) != len(companions):
            message = f"'{self.key}' has {len(items)} items and '{self.step.key}' {len(companions)}: fill up with null"
            return one(FindingCode.ALIGNMENT, message, self.step)
        return self._validate_items(items, companions, scope)

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"array": "aligned", **self.companion.as_json()}

    def _validate_items(self, items: list[Json], companions: list[Json], scope: Scope) -> Findings:
        findings: list[Finding] = []
        value_step = Step(self.key, self.step.name)
        for index, (item, companion) in enumerate(zip_longest(items, companions)):
            if item is not None:
                findings += [finding.under(value_step, index) for finding in self.item.validate(item, scope)]
            found = self._validate_companion(item, companion, scope)
            findings += [finding.under(self.step, index) for finding in found]
            if len(findings) >= LIMIT:
                break
        return findings

    def _validate_companion(self, item: Json, companion: Json, scope: Scope) -> Findings:
        if companion is None:
            return one(FindingCode.NO_CONTENT, _NO_CONTENT) if item is None else ()
        if type(companion) is not dict:
            return wrong_type("an object or null", companion)
        found = self.companion.validate(companion, scope)
        if not found and item is None and "extension" not in companion:
            return one(FindingCode.NO_CONTENT, _NO_CONTENT)
        return found
