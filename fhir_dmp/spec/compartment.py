"""CompartmentDefinition: https://hl7.org/fhir/R4/compartmentdefinition.html."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fhir_dmp.json_text import JsonObject

COMPARTMENTS = ("Device", "Encounter", "Patient", "Practitioner", "RelatedPerson")
"""The types that R4 defines a compartment of."""


@dataclass(frozen=True, slots=True)
class Compartment:
    """Which search parameters tie a resource of each type to an instance of `code` (e.g. Patient).

    Types that are not keys are outside the compartment; `{def}` stands for the resource itself.
    """

    code: str
    parameters: Mapping[str, tuple[str, ...]]


def parse_compartment(definition: JsonObject) -> Compartment:
    """Returns the Compartment of its resource."""
    rows = {row["code"]: tuple(row["param"]) for row in definition["resource"] if row.get("param")}
    return Compartment(definition["code"], MappingProxyType(rows))
