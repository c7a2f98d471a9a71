"""Registry: the definitions known to this server, looked up by canonical or by name; immutable."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from fhir_dmp.json_text import JsonObject
from fhir_dmp.spec.compartment import Compartment, parse_compartment
from fhir_dmp.spec.search_parameter import SearchParameter, parse_search_parameter
from fhir_dmp.spec.structure import Group, Structure, parse_structure

BASE = "http://hl7.org/fhir/StructureDefinition/"
_EXAMPLE = re.compile(r"http://hl7\.org/fhir/(SearchParameter|CompartmentDefinition)/example(-.*)?")
"""R4's package has examples among its definitions, which say less, or other things, of what is defined beside them."""


class Registry:
    """Definitions by canonical. Snapshots are parsed on first use and kept: a start pays only for what it needs."""

    def __init__(self, definitions: Iterable[JsonObject]) -> None:
        """Sorts StructureDefinition, SearchParameter and CompartmentDefinition resources; others are kept by url."""
        self._definitions: dict[str, JsonObject] = {}
        self._structures: dict[str, Structure] = {}
        self._by_base: dict[str, dict[str, SearchParameter]] = {}
        self._by_url: dict[str, SearchParameter] = {}
        self._compartments: dict[str, Compartment] = {}
        for definition in definitions:
            self._definitions[definition["url"]] = definition
            if _EXAMPLE.fullmatch(definition["url"]):
                continue
            if definition["resourceType"] == "SearchParameter":
                self._add_search_parameter(parse_search_parameter(definition))
            elif definition["resourceType"] == "CompartmentDefinition":
                self._compartments[definition["code"]] = parse_compartment(definition)
        kinds = {name: self._definitions[url] for url, name in self._base_types()}
        self.resource_types = frozenset(
            name for name, row in kinds.items() if row["kind"] == "resource" and not row.get("abstract")
        )
        self.primitive_types = frozenset(name for name, row in kinds.items() if row["kind"] == "primitive-type")
        self.types = frozenset(kinds)

    def _base_types(self) -> Iterable[tuple[str, str]]:
        """The types of FHIR itself: every StructureDefinition that is no constraint on another."""
        for url, row in self._definitions.items():
            if row["resourceType"] == "StructureDefinition" and row.get("derivation") != "constraint":
                yield url, row["type"]

    def _add_search_parameter(self, parameter: SearchParameter) -> None:
        self._by_url[parameter.url] = parameter
        for base in parameter.base:
            self._by_base.setdefault(base, {})[parameter.code] = parameter

    def definition(self, url: str) -> JsonObject | None:
        """Returns the resource with this canonical (without version), or None."""
        return self._definitions.get(url)

    def structure(self, name: str) -> Structure | None:
        """Returns a structure by its type's name (`Patient`) or its canonical, or None."""
        url = name if "/" in name else BASE + name
        known = self._structures.get(url)
        if known is None and url in self._definitions:
            known = self._structures[url] = parse_structure(self._definitions[url])
        return known

    def group(self, name: str) -> Group:
        """Returns the children of a type (`HumanName`) or backbone element (`Patient.contact`). Raises KeyError."""
        structure = self.structure(name.partition(".")[0])
        if structure is None:
            raise KeyError(name)
        return structure.groups[name]

    def is_subtype(self, name: str, ancestor: str) -> bool:
        """Tells whether a type is `ancestor` or specialises it (`Age` a `Quantity`, `Patient` a `DomainResource`)."""
        while name and name != ancestor:
            structure = self.structure(name)
            name = structure.base if structure else ""
        return bool(name)

    def search_parameters(self, resource_type: str) -> Mapping[str, SearchParameter]:
        """Returns the parameters of a type by code, with those of Resource and DomainResource."""
        merged: dict[str, SearchParameter] = {}
        for base in ("Resource", "DomainResource", resource_type):
            merged.update(self._by_base.get(base, {}))
        return MappingProxyType(merged)

    def search_parameter(self, url: str) -> SearchParameter | None:
        """Returns the search parameter with this canonical, or None."""
        return self._by_url.get(url)

    def compartment(self, code: str) -> Compartment:
        """Returns the compartment of a type (`Patient`). Raises KeyError where the specification has none."""
        return self._compartments[code]
