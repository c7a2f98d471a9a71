"""What a developer reads about a JSON property that the type does not have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from fhir_dmp.spec.structure import Group, Property
from fhir_dmp.validation.rules.choice import one_of

_LONGEST_NAME = 64
"""Longer than any property of R4: nothing resembles a longer one, and comparing would cost."""


@dataclass(frozen=True, slots=True)
class UnknownProperty:
    """What could have been meant: a near name, a type of a choice element, or no companion."""

    properties: Mapping[str, Property]

    def hint(self, key: str) -> str:
        """Returns the end of the message about a property that the group does not have, empty for no idea."""
        return self._explain_choice(key) or self._explain_near(key) if len(key) <= _LONGEST_NAME else ""

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
    """Builds the hints for a group."""
    return UnknownProperty(group.properties)
