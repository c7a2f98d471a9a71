"""Form: how the properties of a type are written in XML, out of its definition: https://hl7.org/fhir/R4/xml.html."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from fhir_dmp.json_text import Json, parse_json
from fhir_dmp.spec.registry import Registry
from fhir_dmp.spec.structure import Property

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"
COMPANION = "_"
"""What JSON puts before a primitive's name to say its id and extensions."""

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_BOOLEANS = {"true": True, "false": False}


class Kind(Enum):
    """What stands in an element: an attribute of its own, the attribute `value`, elements, a resource, XHTML."""

    ATTRIBUTE = "attribute"
    PRIMITIVE = "primitive"
    COMPLEX = "complex"
    RESOURCE = "resource"
    XHTML = "xhtml"


@dataclass(frozen=True, slots=True)
class Slot:
    """One JSON property in XML. `order` is the element's place among its siblings, the same for all types of a choice.

    `read` turns the text of a primitive into its JSON value; it raises ValueError where the text is none of its type.
    """

    key: str
    order: int
    kind: Kind
    group: str
    repeats: bool
    read: Callable[[str], Json]


@dataclass(frozen=True, slots=True)
class Form:
    """The properties of a type or backbone element by JSON key, which is also the name in XML."""

    name: str
    slots: Mapping[str, Slot]


class Forms:
    """The forms of all types, made when first asked for."""

    def __init__(self, registry: Registry) -> None:
        """Reads the definitions from a registry."""
        self._registry = registry
        self._known: dict[str, Form] = {}

    def is_resource(self, name: str) -> bool:
        """Tells whether a type can stand alone."""
        return name in self._registry.resource_types

    def form(self, group: str) -> Form:
        """Returns the form of a type (`HumanName`) or backbone element (`Patient.contact`). Raises KeyError."""
        found = self._known.get(group)
        if found is None:
            found = self._known[group] = self._build(group)
        return found

    def _build(self, name: str) -> Form:
        group = self._registry.group(name)
        orders = {element: order for order, element in enumerate(group.elements)}
        slots = {
            key: self._slot(name, row, orders[row.element.name])
            for key, row in group.properties.items()
            if not (name in self._registry.primitive_types and key == "value")
        }
        return Form(name, slots)

    def _slot(self, name: str, row: Property, order: int) -> Slot:
        code = row.group
        reader = _READERS.get(code, str)
        return Slot(row.key, order, self._kind(name, row), code, row.element.repeats, reader)

    def _kind(self, name: str, row: Property) -> Kind:
        is_attribute = (row.key == "id" and not self.is_resource(name)) or (name == "Extension" and row.key == "url")
        if is_attribute:
            return Kind.ATTRIBUTE
        if row.group in _SPECIAL:
            return _SPECIAL[row.group]
        return Kind.PRIMITIVE if row.group in self._registry.primitive_types else Kind.COMPLEX


_SPECIAL = {"Resource": Kind.RESOURCE, "xhtml": Kind.XHTML}


def _read_boolean(text: str) -> bool:
    try:
        return _BOOLEANS[text]
    except KeyError:
        raise ValueError("neither true nor false") from None


def _read_integer(text: str) -> Json:
    if not _INTEGER.fullmatch(text):
        raise ValueError("no integer")
    return parse_json(text.encode())


def _read_decimal(text: str) -> Json:
    if not _DECIMAL.fullmatch(text):
        raise ValueError("no decimal")
    return parse_json(text.encode())


_READERS: Mapping[str, Callable[[str], Json]] = {
    "boolean": _read_boolean,
    "integer": _read_integer,
    "positiveInt": _read_integer,
    "unsignedInt": _read_integer,
    "decimal": _read_decimal,
}
"""The primitives that JSON writes without quotes."""
