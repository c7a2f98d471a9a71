"""Arithmetic on nodes: http://hl7.org/fhirpath/N1/#math-1. What cannot be represented is empty."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal, DecimalException, DivisionByZero, InvalidOperation, Overflow

from fhir_dmp.fhirpath import quantity
from fhir_dmp.fhirpath.access import single
from fhir_dmp.fhirpath.duration import add_duration
from fhir_dmp.fhirpath.equality import as_quantity
from fhir_dmp.fhirpath.fault import EvaluationError
from fhir_dmp.fhirpath.node import Node, Nodes
from fhir_dmp.fhirpath.quantity import Quantity
from fhir_dmp.fhirpath.singleton import describe, system_of, system_type_of
from fhir_dmp.fhirpath.system import SystemValue
from fhir_dmp.fhirpath.temporal import Temporal
from fhir_dmp.fhirpath.text_limit import concatenate

CONTEXT = Context(prec=34, Emax=99, Emin=-99, traps=[InvalidOperation, Overflow, DivisionByZero])
"""More digits than the 28 that the language asks for, and a range that cannot fill the memory."""
_MAX_INTEGER = 2**63
Operation = Callable[[SystemValue, SystemValue], SystemValue | None]


def system_node(value: SystemValue | None) -> list[Node]:
    """Returns a System value as a collection."""
    if value is None:
        return []
    if type(value) is int and abs(value) >= _MAX_INTEGER:
        return []
    return [Node(value, f"System.{type_name(value)}")]


def type_name(value: SystemValue) -> str:
    """Returns the name of the System type of a value."""
    return describe(value).removeprefix("a ")


def _operation(apply: Operation) -> Callable[[Nodes, Nodes], list[Node]]:
    def calculate(left: Nodes, right: Nodes) -> list[Node]:
        one, other = operand(left), operand(right)
        if one is None or other is None:
            return []
        try:
            return system_node(apply(one, other))
        except (DecimalException, ZeroDivisionError):
            return []

    return calculate


def operand(nodes: Nodes) -> SystemValue | None:
    """Returns the System value of a collection of at most one; raises EvaluationError for what has none."""
    node = single(nodes)
    if node is None:
        return None
    if system_type_of(node) is None:
        raise EvaluationError(f"there is no arithmetic on a {node.type_name}")
    return system_of(node)


def _numbers(one: SystemValue, other: SystemValue) -> tuple[Decimal, Decimal] | None:
    if isinstance(one, int | Decimal) and isinstance(other, int | Decimal) and bool not in {type(one), type(other)}:
        return Decimal(one), Decimal(other)
    return None


def _like(one: SystemValue, other: SystemValue, number: Decimal) -> SystemValue:
    """An integer where both operands are."""
    return int(number) if isinstance(one, int) and isinstance(other, int) else number


def _mismatch(operator: str, one: SystemValue, other: SystemValue) -> EvaluationError:
    return EvaluationError(f"{describe(one)} and {describe(other)} cannot be combined by {operator}")


def _add(one: SystemValue, other: SystemValue) -> SystemValue | None:
    if isinstance(one, str) and isinstance(other, str):
        return concatenate(one, other)
    return _sum(one, other, 1, "+")


def _sum(one: SystemValue, other: SystemValue, sign: int, operator: str) -> SystemValue | None:
    numbers = _numbers(one, other)
    if numbers is not None:
        return _like(one, other, CONTEXT.add(numbers[0], numbers[1].copy_negate() if sign < 0 else numbers[1]))
    if isinstance(one, Temporal) and isinstance(other, Quantity):
        return add_duration(one, other, sign)
    left, right = as_quantity(one), as_quantity(other)
    if left is None or right is None or not (isinstance(one, Quantity) and isinstance(other, Quantity)):
        raise _mismatch(operator, one, other)
    number = quantity.convert(right, left)
    return None if number is None else Quantity(CONTEXT.add(left.value, sign * number), left.unit, left.calendar)


def _subtract(one: SystemValue, other: SystemValue) -> SystemValue | None:
    return _sum(one, other, -1, "-")


def _multiply(one: SystemValue, other: SystemValue) -> SystemValue | None:
    numbers = _numbers(one, other)
    if numbers is not None:
        return _like(one, other, CONTEXT.multiply(*numbers))
    left, right = as_quantity(one), as_quantity(other)
    if left is None or right is None:
        raise _mismatch("*", one, other)
    return quantity.multiply(left, right)


def _divide(one: SystemValue, other: SystemValue) -> SystemValue | None:
    numbers = _numbers(one, other)
    if numbers is not None:
        return CONTEXT.divide(*numbers) if numbers[1] else None
    left, right = as_quantity(one), as_quantity(other)
    if left is None or right is None:
        raise _mismatch("/", one, other)
    return quantity.divide(left, right) if right.value else None


def _divide_whole(one: SystemValue, other: SystemValue) -> SystemValue | None:
    numbers = _numbers(one, other)
    if numbers is None:
        raise _mismatch("div", one, other)
    return int(CONTEXT.divide_int(*numbers)) if numbers[1] else None


def _modulo(one: SystemValue, other: SystemValue) -> SystemValue | None:
    numbers = _numbers(one, other)
    if numbers is None:
        raise _mismatch("mod", one, other)
    return _like(one, other, CONTEXT.remainder(*numbers)) if numbers[1] else None


def signed(nodes: Nodes, negative: bool) -> list[Node]:  # noqa: FBT001  # generated code passes it
    """Returns a number or quantity with a sign before it; raises EvaluationError for anything else."""
    value = operand(nodes)
    if value is None:
        return []
    if isinstance(value, Quantity):
        return system_node(Quantity(-value.value if negative else value.value, value.unit, value.calendar))
    if isinstance(value, int | Decimal) and type(value) is not bool:
        return system_node(-value if negative else value)
    raise EvaluationError(f"{describe(value)} has no sign")


ARITHMETIC: dict[str, Callable[..., object]] = {
    "add": _operation(_add),
    "subtract": _operation(_subtract),
    "multiply": _operation(_multiply),
    "divide": _operation(_divide),
    "divide_whole": _operation(_divide_whole),
    "modulo": _operation(_modulo),
    "signed": signed,
}
"""What generated code calls, by name."""
