"""StructureDefinition: a type's snapshot as groups of elements, https://hl7.org/fhir/R4/structuredefinition.html.

A group is whatever has named children: a type (`Patient`, `HumanName`) or a backbone element inside one
(`Patient.contact`). Each group knows the JSON properties that may stand in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from fhir_dmp.json_text import JsonObject
from fhir_dmp.spec.element import Element, TypeRef, parse_element

Kind = Literal["primitive-type", "complex-type", "resource", "logical"]


@dataclass(frozen=True, slots=True)
class Property:
    """A JSON property: `valueQuantity` is the element `value` as a Quantity.

    `group` names what its value is made of: a type, or the path of the backbone element that it is itself.
    """

    key: str
    element: Element
    type: TypeRef
    group: str


@dataclass(frozen=True, slots=True)
class Group:
    """A type or backbone element with its children, keyed by element name and by JSON key."""

    name: str
    elements: Mapping[str, Element]
    properties: Mapping[str, Property]


@dataclass(frozen=True, slots=True)
class Structure:
    """A StructureDefinition's snapshot. `base` is the name of the type it specialises, empty for the roots."""

    url: str
    name: str
    kind: Kind
    base: str
    abstract: bool
    groups: Mapping[str, Group]


def parse_structure(definition: JsonObject) -> Structure:
    """Returns the Structure of a StructureDefinition that has a snapshot."""
    elements = [parse_element(row) for row in definition["snapshot"]["element"]]
    children: dict[str, list[Element]] = {elements[0].path: []}
    for element in elements[1:]:
        children.setdefault(element.path.rsplit(".", 1)[0], []).append(element)
    groups = {path: _build_group(path, rows, children) for path, rows in children.items()}
    return Structure(
        url=definition["url"],
        name=definition["type"],
        kind=definition["kind"],
        base=definition.get("baseDefinition", "").rsplit("/", 1)[-1],
        abstract=definition.get("abstract", False),
        groups=MappingProxyType(groups),
    )


def _build_group(path: str, rows: list[Element], children: Mapping[str, list[Element]]) -> Group:
    properties = {item.key: item for row in rows for item in _properties(row, children)}
    elements = {row.name: row for row in rows}
    return Group(path, MappingProxyType(elements), MappingProxyType(properties))


def _properties(element: Element, children: Mapping[str, list[Element]]) -> list[Property]:
    if element.content_reference:
        return [Property(element.name, element, TypeRef("BackboneElement"), element.content_reference)]
    if element.path in children:
        return [Property(element.name, element, element.types[0], element.path)]
    if element.is_choice:
        return [
            Property(element.name + ref.code[0].upper() + ref.code[1:], element, ref, ref.code) for ref in element.types
        ]
    return [Property(element.name, element, ref, ref.code) for ref in element.types[:1]]
