"""Schema: a type or backbone element compiled to rules, one look-up per JSON property.

The rules of a property see its value; those of `rules` see the whole object. Profiles compile to the same nodes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.validation.finding import LIMIT, RIGHT, Finding, FindingCode, Findings, Step, one, quote, wrong_type
from fhir_dmp.validation.formats.format import Accept
from fhir_dmp.validation.rule import Rule, Scope

_HINTS = 8
"""Unknown properties of one object whose nearest name is looked for, which is slow."""

_NAME = re.compile(r"_?[A-Za-z]\w{0,63}", re.ASCII)
"""What an expression can name; other properties are told of where they stand in."""


class PairRule(Protocol):
    """A rule about a primitive and its `_` companion, which are two properties of one object."""

    def validate_pair(self, value: JsonObject, scope: Scope) -> Findings:
        """Returns what is wrong with the two, under paths that start at the object."""

    def as_json(self) -> JsonObject:
        """Returns the rule as data, for golden files."""


@dataclass(frozen=True, slots=True)
class PropertyRule:
    """A JSON property: the step to it, the rule about its value, and the quick yes for a string where there is one."""

    step: Step
    rule: Rule
    accept: Accept | None = None


@dataclass(slots=True, eq=False)
class Schema:
    """The rules of a type (`Patient`, `HumanName`) or backbone element (`Patient.contact`).

    Made empty and filled once, because types contain themselves; not changed afterwards. `needs_content` is ele-1:
    an object that holds nothing but its id says nothing.
    """

    name: str
    needs_content: bool = True
    properties: Mapping[str, PropertyRule] = field(default_factory=dict)
    companions: Mapping[str, PairRule] = field(default_factory=dict)
    rules: Sequence[Rule] = ()
    hint: Callable[[str], str] = str
    _accepts: dict[str, Accept] = field(default_factory=dict)
    _checks: dict[str, Callable[[Json, Scope], Findings]] = field(default_factory=dict)

    def fill(
        self,
        properties: Mapping[str, PropertyRule],
        companions: Mapping[str, PairRule],
        rules: Sequence[Rule],
        hint: Callable[[str], str],
    ) -> None:
        """Gives the schema its rules; `hint` ends the message about a property that is none of these."""
        self.properties, self.companions, self.rules = properties, companions, rules
        self.hint = hint
        self._accepts = {key: item.accept for key, item in properties.items() if item.accept}
        self._checks = {key: item.rule.validate for key, item in properties.items()}

    def validate(self, value: Json, scope: Scope) -> Findings:
        """Returns what is wrong with the object; stops once there are LIMIT findings."""
        if type(value) is not dict or not value or (len(value) == 1 and "id" in value and self.needs_content):
            return self._refuse(value)
        return self.validate_rest(value, value.items(), scope)

    def validate_rest(self, value: JsonObject, rest: Iterable[tuple[str, Json]], scope: Scope) -> Findings:
        """Returns what is wrong with an object whose properties are right but for the `rest`."""
        findings: list[Finding] = []
        accepts, checks = self._accepts, self._checks
        for key, item in rest:
            accept = accepts.get(key) if type(item) is str else None
            if accept is not None and accept(item):
                continue
            check = checks.get(key)
            found = check(item, scope) if check is not None else self._validate_other(key, value, scope, len(findings))
            if found:
                findings += self._locate(key, found, value)
                if len(findings) >= LIMIT:
                    return findings[:LIMIT]
        for rule in self.rules:
            findings += rule.validate(value, scope)
        return findings

    def as_json(self) -> JsonObject:
        """Returns the compiled form as data: rules of the object, then of each property."""
        return {
            "name": self.name,
            "rules": [rule.as_json() for rule in self.rules],
            "properties": {key: item.rule.as_json() for key, item in self.properties.items()},
            "companions": {key: rule.as_json() for key, rule in self.companions.items()},
        }

    def _refuse(self, value: Json) -> Findings:
        if type(value) is not dict:
            return wrong_type(f"an object ({self.name})", value)
        if not value:
            return one(FindingCode.EMPTY, "an object has at least one property: leave it out if there is none")
        return one(FindingCode.NO_CONTENT, "an element has a value or children beside its id (ele-1)")

    def _validate_other(self, key: str, value: JsonObject, scope: Scope, number: int) -> Findings:
        companion = self.companions.get(key)
        if companion is not None:
            return companion.validate_pair(value, scope)
        hint = self.hint(key) if number < _HINTS else ""
        path = (Step(key, key.removeprefix("_")),) if _NAME.fullmatch(key) else ()
        return one(FindingCode.UNKNOWN_PROPERTY, f"unknown property {quote(key)} ({self.name}){hint}", *path)

    def _locate(self, key: str, found: Findings, value: JsonObject) -> Findings:
        item = self.properties.get(key)
        if item is None:
            return found
        if type(value[key]) is list and type(value.get("_" + key)) is list:
            return RIGHT  # the companion's rule sees both arrays and reports for both
        return [finding.under(item.step) for finding in found]
