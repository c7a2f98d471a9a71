"""Quantities: a decimal with a UCUM unit or a calendar duration, http://hl7.org/fhirpath/N1/#quantity."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from fhir_dmp.fhirpath.ucum import Measure, measure

CALENDAR_UNITS = {
    name + plural: name
    for name in ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
    for plural in ("", "s")
}
"""The keywords of calendar durations, singular and plural, by singular."""
DEFINITE = {"week": "wk", "day": "d", "hour": "h", "minute": "min", "second": "s", "millisecond": "ms"}
"""The calendar durations that always last the same, by their UCUM code."""
_LIKE = {**DEFINITE, "year": "a", "month": "mo"}
_MONTHS = {"year": Measure(Fraction(12), (("{month}", 1),)), "month": Measure(Fraction(1), (("{month}", 1),))}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number of units. `unit` is a UCUM code, or the singular of a calendar duration where `calendar` is true.

    A FHIR quantity in other units than UCUM's has `system|code` for a unit: it only compares with its like.
    """

    value: Decimal
    unit: str = "1"
    calendar: bool = False

    def __str__(self) -> str:
        """Returns the quantity as a literal: `1 week`, `5 'mg'`."""
        return f"{self.value:f} {self.unit}" if self.calendar else f"{self.value:f} '{self.unit}'"


def measure_of(quantity: Quantity) -> Measure | None:
    """Returns the measure of a quantity's unit; years and months, whose length varies, share one of their own."""
    if not quantity.calendar:
        return measure(quantity.unit)
    return _MONTHS.get(quantity.unit) or measure(DEFINITE[quantity.unit])


def in_base_units(quantity: Quantity, unit: Measure) -> Fraction:
    """Returns the number of base units."""
    return (Fraction(quantity.value) + unit.offset) * unit.factor


def is_comparable(left: Quantity, right: Quantity) -> bool:
    """Tells whether two quantities are of the same kind, so that one can be converted to the unit of the other."""
    one, other = measure_of(left), measure_of(right)
    if one is None or other is None:
        return one is other and left.unit == right.unit
    return one.dimensions == other.dimensions


def compare_quantity(left: Quantity, right: Quantity) -> int | None:
    """Returns -1, 0 or 1, None where the units do not compare."""
    one, other = measure_of(left), measure_of(right)
    if left.unit == right.unit and left.calendar == right.calendar:
        return (left.value > right.value) - (left.value < right.value)
    if one is None or other is None or one.dimensions != other.dimensions:
        return None
    a, b = in_base_units(left, one), in_base_units(right, other)
    return (a > b) - (a < b)


def convert(quantity: Quantity, unit: Quantity) -> Decimal | None:
    """Returns the number that a quantity has in the unit of another, None if it has none; a year is like an 'a'."""
    source, target = measure(_definite_unit(quantity)), measure(_definite_unit(unit))
    if source is None or target is None or source.dimensions != target.dimensions:
        return quantity.value if (quantity.unit, quantity.calendar) == (unit.unit, unit.calendar) else None
    number = in_base_units(quantity, source) / target.factor - target.offset
    return Decimal(number.numerator) / Decimal(number.denominator)


def _definite_unit(quantity: Quantity) -> str:
    return _LIKE[quantity.unit] if quantity.calendar else quantity.unit


def quantity_key(quantity: Quantity) -> tuple[object, ...]:
    """Returns what two quantities share if and only if they are equal."""
    unit = measure_of(quantity)
    if unit is None:
        return ("quantity", quantity.value, quantity.unit)
    return ("quantity", in_base_units(quantity, unit), unit.dimensions)


def multiply(left: Quantity, right: Quantity) -> Quantity:
    """Returns the product, in the product of the units."""
    return Quantity(left.value * right.value, _joined(_definite_unit(left), ".", _definite_unit(right)))


def divide(left: Quantity, right: Quantity) -> Quantity:
    """Returns the quotient, in the quotient of the units. Raises ZeroDivisionError."""
    return Quantity(left.value / right.value, _joined(_definite_unit(left), "/", _definite_unit(right)))


def _joined(left: str, operator: str, right: str) -> str:
    if right == "1":
        return left
    if operator == "/" and left == right:
        return "1"
    if any(symbol in right for symbol in "./"):
        right = f"({right})"
    if left == "1":
        return right if operator == "." else f"/{right}"
    return f"{left}{operator}{right}"
