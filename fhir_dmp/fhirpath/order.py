"""Comparison: http://hl7.org/fhirpath/N1/#comparison."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeGuard

from fhir_dmp.fhirpath.access import single
from fhir_dmp.fhirpath.equality import as_quantity
from fhir_dmp.fhirpath.fault import EvaluationError
from fhir_dmp.fhirpath.node import Nodes
from fhir_dmp.fhirpath.quantity import Quantity, compare_quantity
from fhir_dmp.fhirpath.singleton import describe, system_of, system_type_of
from fhir_dmp.fhirpath.system import SystemValue
from fhir_dmp.fhirpath.temporal import Temporal, compare_temporal


def compare(left: Nodes, right: Nodes) -> int | None:
    """Returns -1, 0 or 1, None where a side is empty or precision leaves it open.

    Raises EvaluationError for values that have no order or not the same one.
    """
    one, other = _value(left), _value(right)
    return None if one is None or other is None else compare_values(one, other)


def _value(nodes: Nodes) -> SystemValue | None:
    node = single(nodes)
    if node is None:
        return None
    if system_type_of(node) is None:
        raise EvaluationError(f"a {node.type_name} has no order")
    return system_of(node)


def compare_values(one: SystemValue, other: SystemValue) -> int | None:
    """Returns the order of two System values, after implicit conversion."""
    if isinstance(one, Temporal) and isinstance(other, Temporal) and (one.kind == "Time") == (other.kind == "Time"):
        return compare_temporal(one, other)
    if isinstance(one, str) and isinstance(other, str):
        return (one > other) - (one < other)
    if isinstance(one, Quantity) or isinstance(other, Quantity):
        left, right = as_quantity(one), as_quantity(other)
        if left is not None and right is not None:
            return compare_quantity(left, right)
    elif _is_number(one) and _is_number(other):
        return (Decimal(one) > Decimal(other)) - (Decimal(one) < Decimal(other))
    raise EvaluationError(f"{describe(one)} and {describe(other)} do not compare")


def _is_number(value: SystemValue) -> TypeGuard[int | Decimal]:
    return isinstance(value, int | Decimal) and type(value) is not bool
