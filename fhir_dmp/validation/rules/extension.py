"""Extension: a value or extensions, never both (ext-1). https://hl7.org/fhir/R4/extensibility.html."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.spec.structure import Group
from fhir_dmp.validation.finding import RIGHT, FindingCode, Findings, one
from fhir_dmp.validation.rule import Scope


@dataclass(frozen=True, slots=True)
class ExtensionRule:
    """`values` are the properties that value[x] may be written as."""

    values: frozenset[str]

    def validate(self, value: Json, scope: Scope) -> Findings:
        """Returns a finding for an extension with value and extensions, or with neither."""
        del scope
        has_value = not self.values.isdisjoint(value)
        if has_value != ("extension" in value):
            return RIGHT
        found = "both" if has_value else "neither"
        return one(
            FindingCode.EXTENSION, f"an extension has either value[x] or extensions, and this has {found} (ext-1)"
        )

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"extension": "value xor extension"}


def build_extension(group: Group) -> ExtensionRule | None:
    """Builds the rule of the type Extension, and of no other."""
    if group.name != "Extension":
        return None
    keys = frozenset(key for key, item in group.properties.items() if item.element.is_choice)
    return ExtensionRule(keys | {f"_{key}" for key in keys})
