"""The System types, and how FHIR's JSON values become them: https://hl7.org/fhir/R4/fhirpath.html#types."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TypeAlias

from fhir_dmp.fhirpath.quantity import Quantity
from fhir_dmp.fhirpath.temporal import Temporal, TemporalKind, parse_temporal
from fhir_dmp.json_text import Json

SystemValue: TypeAlias = bool | int | Decimal | str | Temporal | Quantity
_MAX_MAGNITUDE = 64
"""Decimals beyond 10 to this power (or its inverse) count as absent: arithmetic on them could fill the memory."""
UCUM = "http://unitsofmeasure.org"

SYSTEM_TYPES = frozenset({"Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity", "Any"})

SYSTEM_TYPE_OF = {
    "boolean": "Boolean",
    "integer": "Integer",
    "unsignedInt": "Integer",
    "positiveInt": "Integer",
    "decimal": "Decimal",
    "date": "Date",
    "dateTime": "DateTime",
    "instant": "DateTime",
    "time": "Time",
    "Quantity": "Quantity",
    "Age": "Quantity",
    "Count": "Quantity",
    "Distance": "Quantity",
    "Duration": "Quantity",
    "SimpleQuantity": "Quantity",
    "MoneyQuantity": "Quantity",
    **dict.fromkeys(
        ("string", "uri", "url", "canonical", "uuid", "oid", "code", "id", "markdown", "base64Binary", "xhtml"),
        "String",
    ),
}
"""The System type that a FHIR type converts to by itself; others convert to none."""


def _boolean(value: Json) -> SystemValue | None:
    return value if type(value) is bool else None


def _string(value: Json) -> SystemValue | None:
    return value if type(value) is str else None


def _integer(value: Json) -> SystemValue | None:
    return value if type(value) is int else None


def _decimal(value: Json) -> Decimal | None:
    if type(value) is float:
        # A reader other than json_text gives floats; their shortest text is the number that was written
        value = repr(value)
    elif type(value) is str or type(value) is bool or not isinstance(value, int | Decimal):
        return None
    number = Decimal(value)
    return number if number.is_finite() and abs(number.adjusted()) <= _MAX_MAGNITUDE else None


def _temporal(kind: TemporalKind) -> Callable[[Json], SystemValue | None]:
    return lambda value: parse_temporal(value, kind) if type(value) is str else None


def _quantity(value: Json) -> SystemValue | None:
    """A FHIR Quantity; with a comparator it is a range of values and none of them."""
    number = _decimal(value.get("value")) if type(value) is dict and "comparator" not in value else None
    if number is None:
        return None
    code, system = value.get("code"), value.get("system")
    if type(code) is str and system == UCUM:
        return Quantity(number, code)
    unit = code or value.get("unit")
    return Quantity(number, f"{system or ''}|{unit}") if unit else Quantity(number)


_READERS: dict[str, Callable[[Json], SystemValue | None]] = {
    "Boolean": _boolean,
    "String": _string,
    "Integer": _integer,
    "Decimal": _decimal,
    "Date": _temporal("Date"),
    "DateTime": _temporal("DateTime"),
    "Time": _temporal("Time"),
    "Quantity": _quantity,
}
READERS = {name: _READERS[kind] for name, kind in SYSTEM_TYPE_OF.items()}
"""How the JSON value of each FHIR type is read; None where the JSON holds no such value."""
