"""Choice elements such as value[x]: one type at a time. https://hl7.org/fhir/R4/formats.html#choice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.spec.structure import Group
from fhir_dmp.validation.finding import RIGHT, FindingCode, Findings, one
from fhir_dmp.validation.rule import Scope


@dataclass(frozen=True, slots=True)
class ChoiceRule:
    """At most one of the properties `types`, and at least one where `is_required`; `_` companions count as theirs."""

    name: str
    types: tuple[str, ...]
    is_required: bool
    keys: frozenset[str]

    def validate(self, value: Json, scope: Scope) -> Findings:
        """Returns a finding if several types are given, or none of a required element."""
        del scope
        found = self.keys & value.keys()
        if len(found) == 1 or not (found or self.is_required):
            return RIGHT
        names = sorted({key.removeprefix("_") for key in found})
        if not names:
            return one(FindingCode.REQUIRED, f"the required element '{self.name}[x]' is absent: {one_of(self.types)}")
        if len(names) == 1:
            return RIGHT
        return one(FindingCode.CHOICE, f"{self.name}[x] has one type, and here are {len(names)}: {', '.join(names)}")

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"choice": self.name, "types": list(self.types), "required": self.is_required}


def one_of(names: tuple[str, ...]) -> str:
    """Returns the first few names as a hint."""
    shown = ", ".join(names[:6])
    return f"one of {shown}…" if len(names) > 6 else f"one of {shown}"  # noqa: PLR2004  # what a reader takes in


def build_choices(group: Group) -> Iterable[ChoiceRule]:
    """Builds a rule for each choice element of a group."""
    for element in group.elements.values():
        types = tuple(item.key for item in group.properties.values() if item.element is element)
        if element.is_choice and types:
            keys = frozenset(types) | {f"_{key}" for key in types}
            yield ChoiceRule(element.name, types, bool(element.min), keys)
