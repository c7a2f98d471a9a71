"""FHIR XML → JSON object: https://hl7.org/fhir/R4/xml.html.

The parser tells the line, column and byte of all that it finds: a narrative is taken as it stands in the text, and a
fault says where it is.
"""

from __future__ import annotations

from fhir_dmp.json_text import MAX_DEPTH, Json, JsonObject
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.xml.form import COMPANION, FHIR, XHTML, Form, Forms, Kind, Slot
from fhir_dmp.xml.parser import XmlParser

_DEPTH = MAX_DEPTH + 2
"""Elements inside one another: what nests as deep as JSON may, with its primitives, which are elements here."""
_PREFIX = f"{FHIR} "
_DIV = f"{XHTML} div"
_IGNORED = frozenset({"http://www.w3.org/2001/XMLSchema-instance schemaLocation"})
_BLANK = " \t\r\n"
_PRIMITIVE_ATTRIBUTES = frozenset({"id", "value"})


def parse_xml(data: bytes, forms: Forms) -> JsonObject:
    """Returns the resource of an XML text; raises FhirError (malformed) that names line and column.

    Its structure is as XML tells it: elements known, in order, no oftener than they may be. Cardinality from below,
    values and invariants are validation's to judge.
    """
    return _Reader(data, forms).read()


class _Frame:
    """An element whose end has not come: the object that it makes, and where it stands in that of its parent."""

    __slots__ = ("form", "object", "order", "primitive", "ragged", "seen", "slot", "tag")

    def __init__(self, tag: str, slot: Slot | None, form: Form | None) -> None:
        self.tag = tag
        self.slot = slot
        self.form = form
        """None: what comes is a resource."""
        self.object: JsonObject = {}
        self.primitive: Json = None
        self.order = -1
        self.seen = ""
        self.ragged: set[str] = set()
        """The primitives that repeat, and of which some have an id or extensions."""


class _Reader(XmlParser):
    """Makes the object of one text."""

    def __init__(self, data: bytes, forms: Forms) -> None:
        super().__init__(data)
        self._forms = forms
        self._stack: list[_Frame] = []
        self._root: JsonObject = {}
        self._inside_div = 0
        self._div_start = 0

    def read(self) -> JsonObject:
        self.parse()
        return self._root

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if self._inside_div:
            self._inside_div += 1
        elif not self._stack:
            self._start_resource(self._local(name), attributes, None)
        else:
            self._start_inside(self._stack[-1], name, attributes)

    def _start_inside(self, parent: _Frame, name: str, attributes: dict[str, str]) -> None:
        if len(self._stack) >= _DEPTH:
            self.refuse(f"elements nest deeper than {_DEPTH} levels")
        if name == _DIV:
            self._start_div(parent)
            return
        tag = self._local(name)
        if parent.form is None:
            self._start_resource(tag, attributes, parent)
            return
        slot = self._find_slot(parent, parent.form, tag)
        if slot.kind is Kind.XHTML:
            self.refuse(f"<{tag}> is not in the namespace {XHTML}")
        if slot.kind is Kind.RESOURCE:
            self._refuse_attributes(tag, attributes)
            self._stack.append(_Frame(tag, slot, None))
        else:
            self._start_element(_Frame(tag, slot, self._forms.form(slot.group)), slot, attributes)

    def _start_resource(self, tag: str, attributes: dict[str, str], parent: _Frame | None) -> None:
        if not self._forms.is_resource(tag):
            self.refuse(f"<{tag[:64]}> is no resource of FHIR R4")
        if parent is not None and parent.object:
            self.refuse(f"<{parent.tag}> holds more than one resource")
        self._refuse_attributes(tag, attributes if parent else {key: "" for key in attributes if key not in _IGNORED})
        frame = _Frame(tag, None, self._forms.form(tag))
        frame.object["resourceType"] = tag
        self._stack.append(frame)

    def _start_element(self, frame: _Frame, slot: Slot, attributes: dict[str, str]) -> None:
        known = _PRIMITIVE_ATTRIBUTES if slot.kind is Kind.PRIMITIVE else frame.form.slots if frame.form else ()
        for key, text in attributes.items():
            if key not in known:
                self.refuse(f"<{frame.tag}> has no attribute '{key[:64]}'")
            if slot.kind is Kind.PRIMITIVE and key == "value":
                frame.primitive = self._read_value(frame.tag, slot, text)
            else:
                self._set_attribute(frame, key, text)
        self._stack.append(frame)

    def _set_attribute(self, frame: _Frame, key: str, text: str) -> None:
        if frame.form is None or frame.form.slots[key].kind is not Kind.ATTRIBUTE:
            self.refuse(f"'{key}' of <{frame.tag}> is an element, not an attribute")
        frame.object[key] = text

    def _start_div(self, parent: _Frame) -> None:
        if parent.form is None or "div" not in parent.form.slots:
            self.refuse(f"XHTML may not stand in <{parent.tag}>")
        self._find_slot(parent, parent.form, "div")
        self._inside_div = 1
        self._div_start = self.expat.CurrentByteIndex

    def _find_slot(self, parent: _Frame, form: Form, tag: str) -> Slot:
        slot = form.slots.get(tag)
        if slot is None or slot.kind is Kind.ATTRIBUTE:
            self.refuse(f"<{tag[:64]}> may not stand in <{parent.tag}>")
        if slot.order < parent.order:
            self.refuse(f"<{tag}> has to come before <{parent.seen}>")
        if slot.order == parent.order and not slot.repeats:
            self.refuse(f"<{parent.tag}> has <{parent.seen}> already, so not <{tag}>")
        parent.order, parent.seen = slot.order, tag
        return slot

    def _read_value(self, tag: str, slot: Slot, text: str) -> Json:
        try:
            return slot.read(text)
        except (ValueError, FhirError):
            self.refuse(f"the value of <{tag}> is no {slot.group}")

    def end(self, name: str) -> None:  # noqa: ARG002  as expat has it
        if self._inside_div:
            self._inside_div -= 1
            if not self._inside_div:
                self._stack[-1].object["div"] = self._cut_div()
            return
        frame = self._stack.pop()
        _even(frame)
        if not self._stack:
            self._root = frame.object
        elif frame.slot is None:
            self._stack[-1].object = frame.object
        else:
            self._put(self._stack[-1], frame, frame.slot)

    def _put(self, parent: _Frame, frame: _Frame, slot: Slot) -> None:
        if not frame.object and frame.primitive is None:
            self.refuse(f"<{frame.tag}> is empty")
        if slot.kind is Kind.PRIMITIVE:
            _put_primitive(parent, frame, slot)
        elif slot.repeats:
            parent.object.setdefault(slot.key, []).append(frame.object)
        else:
            parent.object[slot.key] = frame.object

    def _cut_div(self) -> str:
        """The narrative as it stands in the text. The parser is at its end tag, or behind it where it has none."""
        end = self.expat.CurrentByteIndex
        name = self.data[self._div_start + 1 : end].partition(b">")[0].split(maxsplit=1)[0].removesuffix(b"/")
        if self.data.startswith(b"</" + name, end):
            end = self.data.index(b">", end) + 1
        return self.data[self._div_start : end].decode()

    def _local(self, name: str) -> str:
        if not name.startswith(_PREFIX):
            self.refuse(f"<{name.rpartition(' ')[2][:64]}> is not in the namespace {FHIR}")
        return name.removeprefix(_PREFIX)

    def _refuse_attributes(self, tag: str, attributes: dict[str, str]) -> None:
        for key in attributes:
            self.refuse(f"<{tag}> has no attribute '{key[:64]}'")

    def take(self, text: str) -> None:
        if not self._inside_div and text.strip(_BLANK):
            self.refuse("text may stand in a narrative only: a value is the attribute 'value'")

    def malformed(self, line: int, column: int, message: str) -> FhirError:
        text = f"The body is not acceptable FHIR XML: line {line}, column {column}: {message}."
        return error(Category.MALFORMED, "xml-malformed", text)


def _put_primitive(parent: _Frame, frame: _Frame, slot: Slot) -> None:
    owner, companion = parent.object, COMPANION + slot.key
    if not slot.repeats:
        if frame.primitive is not None:
            owner[slot.key] = frame.primitive
        if frame.object:
            owner[companion] = frame.object
        return
    values = owner.setdefault(slot.key, [])
    values.append(frame.primitive)
    if frame.object:
        parent.ragged.add(slot.key)
        companions = owner.setdefault(companion, [])
        companions += [None] * (len(values) - 1 - len(companions))
        companions.append(frame.object)


def _even(frame: _Frame) -> None:
    """Values and companions of a primitive that repeats are arrays of one length; values that all miss are left out."""
    for key in frame.ragged:
        values, companions = frame.object[key], frame.object[COMPANION + key]
        companions += [None] * (len(values) - len(companions))
        if all(value is None for value in values):
            del frame.object[key]
