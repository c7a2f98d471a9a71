"""What this server exposes, as capability/ says: the source of /metadata and of what is routed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fhir_dmp.json_text import JsonObject

OPERATION = "operation"
"""The code of operations among the interactions: http://hl7.org/fhir/restful-interaction."""


@dataclass(frozen=True, slots=True)
class TypeCapability:
    """What clients may do with one type: interactions by their code in http://hl7.org/fhir/restful-interaction.

    `profiles` are canonicals that every resource of the type has to meet, `unsupported` the codes of the search
    parameters that are not exposed, `supported` the canonicals of profiles that are here for resources to claim.
    """

    interactions: frozenset[str]
    documentation: str = ""
    profiles: tuple[str, ...] = ()
    unsupported: frozenset[str] = frozenset()
    supported: tuple[str, ...] = ()


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


def parse_capability(table: JsonObject, profiles: Iterable[JsonObject] = ()) -> Capability:
    """Returns the Capability of the table in capability/server.json, with the StructureDefinitions that are here."""
    supported = _sort_by_type(profiles)
    mandatory, unsupported = table["mandatoryProfiles"], table["unsupportedParameters"]
    types = {
        name: TypeCapability(
            frozenset(group["interaction"]),
            group.get("documentation", ""),
            tuple(mandatory.get(name, ())),
            frozenset(unsupported.get(name, ())),
            supported.get(name, ()),
        )
        for group in table["groups"]
        for name in group["types"]
    }
    return Capability(MappingProxyType(types), frozenset(table["system"]))


def _sort_by_type(profiles: Iterable[JsonObject]) -> dict[str, tuple[str, ...]]:
    """Returns the canonicals of the profiles on each type, in order."""
    found: dict[str, set[str]] = {}
    for row in profiles:
        if row["derivation"] == "constraint" and not row["abstract"]:
            found.setdefault(row["type"], set()).add(row["url"])
    return {name: tuple(sorted(urls)) for name, urls in found.items()}
