"""What a developer reads about a JSON property that the type does not have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from fhir_dmp.spec.structure import Group, Property
from fhir_dmp.validation.finding import quote
from fhir_dmp.validation.rules.choice import one_of

_LONGEST_NAME = 64
"""Longer than any property of R4: nothing resembles a longer one, and comparing would cost."""


@dataclass(frozen=True, slots=True)
class UnknownProperty:
    """Words the finding: the nearest name, or what a choice element or a companion should look like."""

    group: str
    properties: Mapping[str, Property]

    def explain(self, key: str) -> str:
        """Returns the message for a property that is not in the group."""
        hint = self._explain_choice(key) or self._explain_near(key) if len(key) <= _LONGEST_NAME else ""
        return f"unknown property {quote(key)} ({self.group}){hint}"

    def _explain_choice(self, key: str) -> str:
        if key.removeprefix("_") in self.properties:
            return ": only primitive elements have a companion with '_', and extensions stand in the object itself"
        for name in {item.element.name for item in self.properties.values() if item.element.is_choice}:
            if key.startswith(name) and not key[len(name) :][:1].islower():
                types = tuple(item.key for item in self.properties.values() if item.element.name == name)
                return f": {name}[x] is written as {one_of(types)}"
        return ""

    def _explain_near(self, key: str) -> str:
        by_lower = {name.lower(): name for name in self.properties}
        near = get_close_matches(key.lower(), by_lower, n=1, cutoff=0.7)
        return f": did you mean '{by_lower[near[0]]}'?" if near else ""


def build_unknown(group: Group) -> UnknownProperty:
    """Builds the wording for a group."""
    return UnknownProperty(group.name, group.properties)
