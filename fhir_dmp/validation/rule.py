"""Rule: one thing that a definition says, ready to be held against a JSON value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.validation.finding import RIGHT, Findings


@dataclass(frozen=True, slots=True)
class Scope:
    """The resource around the value: where local references (`#…`) are resolved.

    `contained` gives the type of each contained resource by id; `inside` tells that the value is within one of them.
    """

    container: str
    contained: Mapping[str, str]
    inside: bool = False


class Rule(Protocol):
    """A node of the tree. Rules are built once, and know neither one another nor a profile's url."""

    def validate(self, value: Json, scope: Scope) -> Findings:
        """Returns what is wrong with the value; never raises, whatever JSON it is."""

    def as_json(self) -> JsonObject:
        """Returns the rule as data, for golden files."""


@dataclass(frozen=True, slots=True)
class AllRule:
    """Several rules about the same value; once one has findings, the later ones are not asked."""

    rules: tuple[Rule, ...]

    def validate(self, value: Json, scope: Scope) -> Findings:
        """Returns the findings of the first rule that has any."""
        for rule in self.rules:
            found = rule.validate(value, scope)
            if found:
                return found
        return RIGHT

    def as_json(self) -> JsonObject:
        """Returns the members of all the rules together."""
        return {key: value for rule in self.rules for key, value in rule.as_json().items()}
