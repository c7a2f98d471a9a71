"""JSON object → FHIR XML: elements in the order of the schema, XHTML as it is. https://hl7.org/fhir/R4/xml.html.

The resource has to have the structure of its type: what is stored has been held against it.
"""

from __future__ import annotations

import re

from fhir_dmp.json_text import FhirDecimal, Json, JsonObject
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.xml.form import COMPANION, FHIR, Form, Forms, Kind, Slot

_SPECIAL = re.compile(r'[&<>"\x00-\x1f\x7f-\x9f\ufffe\uffff]')
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
_REPLACEMENT = "\ufffd"
"""For what XML cannot say at all (U+0000): no resource may hold it, but a message may quote it from a request."""


def write_xml(resource: JsonObject, forms: Forms, *, indent: bool = False) -> bytes:
    """Returns the XML text of a resource, without white space between elements unless indented.

    Raises FhirError (not acceptable) where the definitions do not know one of its properties.
    """
    writer = _Writer(forms, indent=indent)
    writer.resource(resource, 0, f' xmlns="{FHIR}"')
    return "".join(writer.parts).encode()


class _Writer:
    """Collects the parts of the text. `depth` is that of the element which is written."""

    def __init__(self, forms: Forms, *, indent: bool) -> None:
        self._forms = forms
        self._indent = indent
        self.parts: list[str] = []

    def resource(self, resource: JsonObject, depth: int, attributes: str = "") -> None:
        name = resource.get("resourceType", "")
        if not self._forms.is_resource(name):
            raise _unwritable(str(name)[:64])
        content = {key: value for key, value in resource.items() if key != "resourceType"}
        self._element(name, attributes, self._forms.form(name), content, depth)

    def _element(self, tag: str, attributes: str, form: Form, value: JsonObject, depth: int) -> None:
        slots = _order(form, value)
        attributes += "".join(f' {slot.key}="{_text(value[slot.key])}"' for slot in slots if slot.kind is _ATTRIBUTE)
        inside = [slot for slot in slots if slot.kind is not _ATTRIBUTE]
        self._break(depth)
        if not inside:
            self.parts.append(f"<{tag}{attributes}/>")
            return
        self.parts.append(f"<{tag}{attributes}>")
        for slot in inside:
            self._property(slot, value, depth + 1)
        self._break(depth)
        self.parts.append(f"</{tag}>")

    def _property(self, slot: Slot, owner: JsonObject, depth: int) -> None:
        value: Json = owner.get(slot.key)
        if slot.kind is Kind.PRIMITIVE:
            self._primitives(slot, value, owner.get(COMPANION + slot.key), depth)
        elif slot.kind is Kind.XHTML:
            self._break(depth)
            self.parts.append(value or "")
        else:
            for item in value if slot.repeats and value else [value]:
                self._complex(slot, item, depth)

    def _complex(self, slot: Slot, value: JsonObject, depth: int) -> None:
        if slot.kind is Kind.COMPLEX:
            self._element(slot.key, "", self._forms.form(slot.group), value, depth)
            return
        self._break(depth)
        self.parts.append(f"<{slot.key}>")
        self.resource(value, depth + 1)
        self._break(depth)
        self.parts.append(f"</{slot.key}>")

    def _primitives(self, slot: Slot, value: Json, companion: Json, depth: int) -> None:
        if not slot.repeats:
            self._primitive(slot, value, companion, depth)
            return
        values, companions = value or (), companion or ()
        for index in range(max(len(values), len(companions))):
            item = values[index] if index < len(values) else None
            self._primitive(slot, item, companions[index] if index < len(companions) else None, depth)

    def _primitive(self, slot: Slot, value: Json, companion: JsonObject | None, depth: int) -> None:
        attributes = "" if value is None else f' value="{_text(value)}"'
        if companion:
            self._element(slot.key, attributes, self._forms.form(slot.group), companion, depth)
        elif attributes:
            self._break(depth)
            self.parts.append(f"<{slot.key}{attributes}/>")

    def _break(self, depth: int) -> None:
        if self._indent and self.parts:
            self.parts.append("\n" + "  " * depth)


_ATTRIBUTE = Kind.ATTRIBUTE


def _order(form: Form, value: JsonObject) -> list[Slot]:
    """The slots of an object's properties, each once, in the order of the schema."""
    found: dict[str, Slot] = {}
    for key in value:
        slot = form.slots.get(key) or form.slots.get(key.removeprefix(COMPANION))
        if slot is None or (slot.kind is not Kind.PRIMITIVE and slot.key != key):
            raise _unwritable(f"{form.name}.{key[:64]}")
        found[slot.key] = slot
    return sorted(found.values(), key=_place)


def _place(slot: Slot) -> int:
    return slot.order


def _text(value: Json) -> str:
    if type(value) is str:
        return _SPECIAL.sub(_escape, value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.literal if isinstance(value, FhirDecimal) else str(value)


def _escape(found: re.Match[str]) -> str:
    """White space is written by number: as it is, a reader takes all of it for spaces."""
    character = found[0]
    if character in _ENTITIES:
        return _ENTITIES[character]
    is_writable = character in "\t\n\r" or "\x7f" <= character <= "\x9f"
    return f"&#{ord(character)};" if is_writable else _REPLACEMENT


def _unwritable(expression: str) -> FhirError:
    message = f"XML has no form for {expression}: ask for application/fhir+json."
    return error(Category.NOT_ACCEPTABLE, "xml-unwritable", message, expression)
