"""Math: http://hl7.org/fhirpath/N1/#math. A result that is no real number is empty."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal, DecimalException

from fhir_dmp.fhirpath.arithmetic import CONTEXT, operand, system_node
from fhir_dmp.fhirpath.fault import EvaluationError
from fhir_dmp.fhirpath.functions.signature import function
from fhir_dmp.fhirpath.node import Node, Nodes
from fhir_dmp.fhirpath.quantity import Quantity
from fhir_dmp.fhirpath.singleton import describe

_DIGITS = 20
"""Significant digits of irrational results: the rounding errors of the last ones are left out."""


def _abs(nodes: Nodes) -> list[Node]:
    value = operand(nodes)
    if value is None:
        return []
    if isinstance(value, Quantity):
        return system_node(Quantity(abs(value.value), value.unit, value.calendar))
    if isinstance(value, Decimal):
        return system_node(abs(value))
    if type(value) is int:
        return system_node(abs(value))
    raise EvaluationError(f"{describe(value)} has no absolute value")


def _whole(rounding: str) -> Callable[[Decimal], int]:
    return lambda number: int(number.to_integral_value(rounding))


def _real(calculate: Callable[..., Decimal]) -> Callable[..., Decimal | None]:
    """The function with None for what is undefined or out of range."""

    def call(*numbers: Decimal) -> Decimal | None:
        try:
            found = calculate(*numbers)
        except (DecimalException, ZeroDivisionError):
            return None
        return _tidy(found) if found.is_finite() else None

    return call


def _tidy(number: Decimal) -> Decimal:
    rounded = number.normalize(CONTEXT)
    digits = rounded.as_tuple().digits
    if len(digits) <= _DIGITS:
        return rounded
    return rounded.quantize(Decimal((0, (1,), rounded.adjusted() - _DIGITS + 1)), ROUND_HALF_UP, CONTEXT).normalize()


def _log(number: Decimal, base: Decimal) -> Decimal:
    return CONTEXT.divide(CONTEXT.ln(number), CONTEXT.ln(base))


def _power(nodes: Nodes, exponent: Nodes) -> list[Node]:
    base, power = operand(nodes), operand(exponent)
    if base is None or power is None:
        return []
    if not isinstance(base, int | Decimal) or not isinstance(power, int | Decimal):
        raise EvaluationError("power() takes numbers")
    found = _real(CONTEXT.power)(Decimal(base), Decimal(power))
    whole = isinstance(base, int) and isinstance(power, int) and power >= 0
    return [] if found is None else system_node(int(found) if whole else found)


def _round(number: Decimal, precision: int = 0) -> Decimal | None:
    if precision < 0:
        raise EvaluationError("round() takes a precision of 0 or more")
    return _quantize(number, min(precision, _DIGITS))


def _quantize(number: Decimal, digits: int) -> Decimal | None:
    try:
        return number.quantize(Decimal((0, (1,), -digits)), ROUND_HALF_UP)
    except DecimalException:
        return number


NUMBER = (
    function("abs", _abs),
    function("ceiling", _whole(ROUND_CEILING), "Decimal", gives="Integer"),
    function("floor", _whole(ROUND_FLOOR), "Decimal", gives="Integer"),
    function("truncate", _whole(ROUND_DOWN), "Decimal", gives="Integer"),
    function("exp", _real(CONTEXT.exp), "Decimal", gives="Decimal"),
    function("ln", _real(CONTEXT.ln), "Decimal", gives="Decimal"),
    function("log", _real(_log), "Decimal", "Decimal", gives="Decimal"),
    function("sqrt", _real(CONTEXT.sqrt), "Decimal", gives="Decimal"),
    function("power", _power, "Items", "Items"),
    function("round", _round, "Decimal", "Integer", optional=1, gives="Decimal"),
)
