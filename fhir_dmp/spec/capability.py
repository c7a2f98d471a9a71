"""What this server exposes, as capability/ says: the source of /metadata and of what is routed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fhir_dmp.json_text import JsonObject

OPERATION = "operation"
"""The code of operations among the interactions: http://hl7.org/fhir/restful-interaction."""


@dataclass(frozen=True, slots=True)
class TypeCapability:
    """What clients may do with one type: interactions by their code in http://hl7.org/fhir/restful-interaction.

    `profiles` are canonicals that every resource of the type has to meet, `unsupported` the codes of the search
    parameters that are not exposed.
    """

    interactions: frozenset[str]
    documentation: str = ""
    profiles: tuple[str, ...] = ()
    unsupported: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Capability:
    """The exposed types, and the interactions of the whole system (`transaction`, `batch`, `history-system`…)."""

    types: Mapping[str, TypeCapability]
    system: frozenset[str]

    def permits(self, resource_type: str, interaction: str) -> bool:
        """Tells whether an interaction is exposed for a type, or for the system where the type is empty.

        Operations are, wherever the type is: which there are is said by the routing table alone.
        """
        if not resource_type:
            return interaction in self.system or interaction == OPERATION
        exposed = self.types.get(resource_type)
        return exposed is not None and (interaction in exposed.interactions or interaction == OPERATION)


def parse_capability(table: JsonObject) -> Capability:
    """Returns the Capability of the table in capability/server.json."""
    mandatory, unsupported = table["mandatoryProfiles"], table["unsupportedParameters"]
    types = {
        name: TypeCapability(
            frozenset(group["interaction"]),
            group.get("documentation", ""),
            tuple(mandatory.get(name, ())),
            frozenset(unsupported.get(name, ())),
        )
        for group in table["groups"]
        for name in group["types"]
    }
    return Capability(MappingProxyType(types), frozenset(table["system"]))
