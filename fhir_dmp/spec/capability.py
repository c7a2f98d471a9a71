"""What this server exposes, as capability/ says: the source of /metadata and of what is routed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fhir_dmp.json_text import JsonObject


@dataclass(frozen=True, slots=True)
class TypeCapability:
    """What clients may do with one type: interactions by their code in http://hl7.org/fhir/restful-interaction."""

    interactions: frozenset[str]
    documentation: str = ""


@dataclass(frozen=True, slots=True)
class Capability:
    """The exposed types, and the interactions of the whole system (`transaction`, `batch`, `history-system`…)."""

    types: Mapping[str, TypeCapability]
    system: frozenset[str]
    unsupported_parameters: frozenset[str]
    """Types of search parameters that are not exposed."""

    def permits(self, resource_type: str, interaction: str) -> bool:
        """Tells whether an interaction is exposed for a type, or for the system where the type is empty."""
        if not resource_type:
            return interaction in self.system
        exposed = self.types.get(resource_type)
        return exposed is not None and interaction in exposed.interactions


def parse_capability(table: JsonObject) -> Capability:
    """Returns the Capability of the table in capability/server.json (its shape: capability/schema.json)."""
    types = {
        name: TypeCapability(frozenset(group["interaction"]), group.get("documentation", ""))
        for group in table["groups"]
        for name in group["types"]
    }
    return Capability(
        MappingProxyType(types), frozenset(table["system"]), frozenset(table["unsupportedParameterTypes"])
    )
