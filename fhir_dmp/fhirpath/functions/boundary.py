"""Precision and boundaries: the least and greatest value that what is written may stand for.

http://hl7.org/fhirpath/N1/ has them from 2.1 on: https://build.fhir.org/ig/HL7/FHIRPath/#lowboundaryprecision-integer--decimal--date--datetime--time
"""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext

from fhir_dmp.fhirpath.arithmetic import operand, system_node
from fhir_dmp.fhirpath.duration import write_parts
from fhir_dmp.fhirpath.fault import EvaluationError
from fhir_dmp.fhirpath.functions.signature import function
from fhir_dmp.fhirpath.node import Node, Nodes
from fhir_dmp.fhirpath.quantity import Quantity, is_comparable
from fhir_dmp.fhirpath.singleton import describe
from fhir_dmp.fhirpath.system import SystemValue
from fhir_dmp.fhirpath.temporal import Part, Temporal, days_in_month, parse_temporal

_MAX_DIGITS = 31
_DEFAULT_DIGITS = 8
_DATE_DIGITS = {4: 1, 6: 2, 8: 3, 10: 4, 12: 5, 14: 6, 17: 6}
"""Parts of a date or date-time by the digits they take to write."""
_TIME_DIGITS = {2: 1, 4: 2, 6: 3, 9: 3}
_DAY, _DATE_PARTS = 2, 3
"""Where the day stands among the parts, and how many come before the hour."""
_WITH_MILLISECONDS = frozenset({9, 17})
_OFFSETS = {False: 14 * 60, True: -12 * 60}
"""The zone in which a moment comes first, and last."""
_LAST: tuple[Part, ...] = (9999, 12, 31, 23, 59, Decimal("59.999"))
_FIRST: tuple[Part, ...] = (1, 1, 1, 0, 0, Decimal("0.000"))


def _low(nodes: Nodes, precision: int | None = None) -> list[Node]:
    return _boundary(nodes, precision, high=False)


def _high(nodes: Nodes, precision: int | None = None) -> list[Node]:
    return _boundary(nodes, precision, high=True)


def _boundary(nodes: Nodes, precision: int | None, *, high: bool) -> list[Node]:
    value = operand(nodes)
    if value is None:
        return []
    return system_node(_bound(value, precision, high=high))


def _bound(value: SystemValue, precision: int | None, *, high: bool) -> SystemValue | None:
    if isinstance(value, Temporal):
        return _bound_moment(value, precision, high=high)
    digits = _DEFAULT_DIGITS if precision is None else precision
    if isinstance(value, Quantity):
        number = _bound_number(value.value, digits, high=high)
        return None if number is None else Quantity(number, value.unit, value.calendar)
    if isinstance(value, int | Decimal) and type(value) is not bool:
        return _bound_number(Decimal(value), digits, high=high)
    raise EvaluationError(f"{describe(value)} has no boundaries")


def _bound_number(number: Decimal, digits: int, *, high: bool) -> Decimal | None:
    """Half a unit of the last digit away; rounded like HL7's suite: outwards from a half on, inwards by cutting."""
    if not 0 <= digits <= _MAX_DIGITS:
        return None
    outwards = high != number.is_signed()
    with localcontext() as context:
        context.prec = 200
        half = Decimal((0, (5,), -_digits(number) - 1))
        bound = abs(number) + (half if outwards else -half)
        bound = bound.quantize(Decimal((0, (1,), -digits)), ROUND_HALF_UP if outwards else ROUND_DOWN)
        return bound.copy_negate() if number.is_signed() else bound


def _digits(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _bound_moment(moment: Temporal, precision: int | None, *, high: bool) -> Temporal | None:
    table, start = (_TIME_DIGITS, 3) if moment.kind == "Time" else (_DATE_DIGITS, 0)
    default = {"Time": 9, "Date": 8, "DateTime": 17}[moment.kind]
    digits = default if precision is None else precision
    if digits not in table:
        return None
    parts = list(moment.parts)
    for index in range(start + len(parts), start + table[digits]):
        parts.append(_fill(parts, index, high=high))
    parts = parts[: table[digits]]
    offset = moment.offset
    clock = start + len(parts) > _DATE_PARTS
    if moment.kind != "Time" and clock and offset is None:
        offset = _OFFSETS[high]
    text = write_parts(moment.kind, tuple(parts), offset, 3 if digits in _WITH_MILLISECONDS else 0)
    return parse_temporal(text, moment.kind)


def _fill(parts: list[Part], index: int, *, high: bool) -> Part:
    if index == _DAY and high:
        return days_in_month(int(parts[0]), int(parts[1]))
    return (_LAST if high else _FIRST)[index]


def _precision(nodes: Nodes) -> int | None:
    value = operand(nodes)
    if isinstance(value, Temporal):
        return sum(character.isdigit() for character in value.text.partition("+")[0].rstrip("Z")) - _offset_digits(
            value
        )
    if isinstance(value, int | Decimal) and type(value) is not bool:
        return _digits(Decimal(value))
    return None


def _offset_digits(value: Temporal) -> int:
    return 4 if value.offset is not None and value.offset < 0 else 0


def _comparable(left: Quantity, right: Quantity) -> bool:
    return is_comparable(left, right)


BOUNDARY = (
    function("lowBoundary", _low, "Items", "Integer", optional=1),
    function("highBoundary", _high, "Items", "Integer", optional=1),
    function("precision", _precision, gives="Integer"),
    function("comparable", _comparable, "Quantity", "Quantity", gives="Boolean"),
)
