"""Equivalence: http://hl7.org/fhirpath/N1/#equivalence. Order, case, precision and spaces may differ."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext
from typing import TypeVar

from fhir_dmp.fhirpath.equality import as_quantity
from fhir_dmp.fhirpath.node import Node, Nodes
from fhir_dmp.fhirpath.quantity import Quantity, convert
from fhir_dmp.fhirpath.singleton import system_of
from fhir_dmp.fhirpath.system import SystemValue
from fhir_dmp.fhirpath.temporal import Temporal, compare_temporal
from fhir_dmp.json_text import Json

_SPACE = re.compile(r"\s+")
_PRECISION = 200
"""Digits enough for any two numbers that a resource may hold."""
_Item = TypeVar("_Item")


def equivalent(left: Nodes, right: Nodes) -> bool:
    """Tells whether two collections have equivalent items in any order."""
    return _match(left, right, _equivalent_nodes)


def not_equivalent(left: Nodes, right: Nodes) -> bool:
    """Tells whether two collections are not equivalent."""
    return not equivalent(left, right)


def _match(left: Sequence[_Item], right: Sequence[_Item], same: Callable[[_Item, _Item], bool]) -> bool:
    """Tells whether each item has a partner of its own on the other side."""
    if len(left) != len(right):
        return False
    rest = list(right)
    for item in left:
        partner = next((index for index, other in enumerate(rest) if same(item, other)), None)
        if partner is None:
            return False
        del rest[partner]
    return True


def _equivalent_nodes(left: Node, right: Node) -> bool:
    one, other = system_of(left), system_of(right)
    if one is None and other is None:
        return _equivalent_json(left.value, right.value)
    return one is not None and other is not None and equivalent_values(one, other)


def equivalent_values(one: SystemValue, other: SystemValue) -> bool:
    """Tells whether two System values are equivalent."""
    if isinstance(one, Temporal) and isinstance(other, Temporal):
        return (one.kind == "Time") == (other.kind == "Time") and compare_temporal(one, other) == 0
    if isinstance(one, str) and isinstance(other, str):
        return _normal(one) == _normal(other)
    if isinstance(one, Quantity) or isinstance(other, Quantity):
        left, right = as_quantity(one), as_quantity(other)
        number = None if left is None or right is None else convert(right, left)
        return left is not None and number is not None and _equivalent_numbers(left.value, number)
    if type(one) is bool or type(other) is bool:
        return one is other
    if isinstance(one, int | Decimal) and isinstance(other, int | Decimal):
        return _equivalent_numbers(Decimal(one), Decimal(other))
    return False


def _normal(text: str) -> str:
    return _SPACE.sub(" ", text).strip().casefold()


def _equivalent_numbers(one: Decimal, other: Decimal) -> bool:
    """Compares at the precision of the less precise, trailing zeros aside."""
    digits = min(_digits(one), _digits(other))
    with localcontext() as context:
        context.prec = _PRECISION
        return round(one, digits) == round(other, digits)


def _digits(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _equivalent_json(one: Json, other: Json) -> bool:
    if type(one) is dict and type(other) is dict:
        left, right = one.keys() - {"id"}, other.keys() - {"id"}
        return left == right and all(_equivalent_json(one[key], other[key]) for key in left)
    if type(one) is list and type(other) is list:
        return _match(one, other, _equivalent_json)
    if type(one) is str and type(other) is str:
        return _normal(one) == _normal(other)
    return bool(one == other)
