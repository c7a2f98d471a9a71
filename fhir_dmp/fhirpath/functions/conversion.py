"""Conversion: http://hl7.org/fhirpath/N1/#conversion. What does not convert is empty; convertsToX() says so."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

from fhir_dmp.fhirpath.access import single
from fhir_dmp.fhirpath.functions.signature import Function, Yield, function
from fhir_dmp.fhirpath.node import Nodes
from fhir_dmp.fhirpath.quantity import CALENDAR_UNITS, Quantity, convert
from fhir_dmp.fhirpath.singleton import system_of
from fhir_dmp.fhirpath.system import SystemValue
from fhir_dmp.fhirpath.temporal import Temporal, TemporalKind, parse_temporal

_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d{1,64}(?:\.\d{1,64})?", re.ASCII)
_QUANTITY = re.compile(
    r"(?P<value>[+-]?\d{1,64}(?:\.\d{1,64})?)\s*(?:'(?P<unit>[^']+)'|(?P<duration>[a-z]+))?", re.ASCII
)
_TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "0.0"})


def to_boolean(value: SystemValue) -> bool | None:
    """Returns the boolean of a boolean, of 1 and 0, and of the texts for them."""
    if type(value) is bool:
        return value
    if isinstance(value, int | Decimal):
        return bool(value) if value in {0, 1} else None
    if not isinstance(value, str):
        return None
    text = value.lower()
    return text in _TRUE if text in _TRUE | _FALSE else None


def to_integer(value: SystemValue) -> int | None:
    """Returns the integer of an integer, a boolean or a text."""
    if isinstance(value, int):
        return int(value)
    return int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else None


def to_decimal(value: SystemValue) -> Decimal | None:
    """Returns the decimal of a number, a boolean or a text."""
    if isinstance(value, int | Decimal):
        return Decimal(value)
    return Decimal(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else None


def to_string(value: SystemValue) -> str:
    """Returns the text of a value: what a literal of it would say, without @ and quotation marks."""
    if type(value) is bool:
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def to_quantity(value: SystemValue) -> Quantity | None:
    """Returns the quantity of a number, a boolean or a text such as `4 days` or `5 'mg'`."""
    if isinstance(value, Quantity):
        return value
    if isinstance(value, int | Decimal):
        return Quantity(Decimal(value))
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None or (match["duration"] and match["duration"] not in CALENDAR_UNITS):
        return None
    if match["duration"]:
        return Quantity(Decimal(match["value"]), CALENDAR_UNITS[match["duration"]], calendar=True)
    return Quantity(Decimal(match["value"]), match["unit"] or "1")


def _to_temporal(kind: TemporalKind) -> Callable[[SystemValue], Temporal | None]:
    def convert_to(value: SystemValue) -> Temporal | None:
        if isinstance(value, Temporal) and value.kind == kind:
            return value
        text = value.text if isinstance(value, Temporal) and kind != "Time" and value.kind != "Time" else value
        if not isinstance(text, str):
            return None
        return parse_temporal(text.partition("T")[0] if kind == "Date" else text, kind)

    return convert_to


_CONVERSIONS: tuple[tuple[Yield, Callable[[SystemValue], SystemValue | None]], ...] = (
    ("Boolean", to_boolean),
    ("Integer", to_integer),
    ("Decimal", to_decimal),
    ("String", to_string),
    ("Date", _to_temporal("Date")),
    ("DateTime", _to_temporal("DateTime")),
    ("Time", _to_temporal("Time")),
)


def _value(nodes: Nodes) -> SystemValue | None:
    node = single(nodes)
    return None if node is None else system_of(node)


def _conversion(name: Yield, change: Callable[[SystemValue], SystemValue | None]) -> tuple[Function, Function]:
    def to(nodes: Nodes) -> SystemValue | None:
        value = _value(nodes)
        return None if value is None else change(value)

    def converts(nodes: Nodes) -> bool | None:
        return to(nodes) is not None if nodes else None

    return function(f"to{name}", to, gives=name), function(f"convertsTo{name}", converts, gives="Boolean")


def _to_quantity(nodes: Nodes, unit: str = "") -> Quantity | None:
    value = _value(nodes)
    found = None if value is None else to_quantity(value)
    if found is None or not unit:
        return found
    wanted = to_quantity(f"1 {unit}") or Quantity(Decimal(1), unit)
    number = convert(found, wanted)
    return None if number is None else Quantity(number, wanted.unit, wanted.calendar)


def _converts_to_quantity(nodes: Nodes, unit: str = "") -> bool | None:
    return _to_quantity(nodes, unit) is not None if nodes else None


CONVERSION = (
    *(found for name, change in _CONVERSIONS for found in _conversion(name, change)),
    function("toQuantity", _to_quantity, "Items", "String", optional=1, gives="Quantity"),
    function("convertsToQuantity", _converts_to_quantity, "Items", "String", optional=1, gives="Boolean"),
)
