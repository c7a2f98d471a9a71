"""Equality: http://hl7.org/fhirpath/N1/#equality. Three-valued: None stands for the empty collection."""

from __future__ import annotations

from collections.abc import Hashable
from decimal import Decimal

from fhir_dmp.fhirpath.access import single
from fhir_dmp.fhirpath.node import Node, Nodes
from fhir_dmp.fhirpath.quantity import Quantity, compare_quantity, quantity_key
from fhir_dmp.fhirpath.singleton import system_of
from fhir_dmp.fhirpath.system import SystemValue
from fhir_dmp.fhirpath.temporal import Temporal, compare_temporal, temporal_key
from fhir_dmp.json_text import Json


def equal(left: Nodes, right: Nodes) -> bool | None:
    """Tells whether two collections have equal items in the same order; None where that cannot be told."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    found: bool | None = True
    for one, other in zip(left, right, strict=True):
        same = _equal_nodes(one, other)
        if same is False:
            return False
        if same is None:
            found = None
    return found


def not_equal(left: Nodes, right: Nodes) -> bool | None:
    """Tells whether two collections are not equal; None where that cannot be told."""
    found = equal(left, right)
    return None if found is None else not found


def _equal_nodes(left: Node, right: Node) -> bool | None:
    one, other = system_of(left), system_of(right)
    if one is not None and other is not None:
        return equal_values(one, other)
    if one is None and other is None:
        return left.value == right.value and left.element == right.element
    return False


def equal_values(one: SystemValue, other: SystemValue) -> bool | None:
    """Tells whether two System values are equal, after implicit conversion; None where that cannot be told."""
    if isinstance(one, Temporal) and isinstance(other, Temporal):
        if (one.kind == "Time") != (other.kind == "Time"):
            return False
        order = compare_temporal(one, other)
        return None if order is None else order == 0
    if isinstance(one, Quantity) or isinstance(other, Quantity):
        return _equal_quantities(one, other)
    if (type(one) is bool) != (type(other) is bool):
        return False
    return one == other


def _equal_quantities(one: SystemValue, other: SystemValue) -> bool | None:
    left, right = as_quantity(one), as_quantity(other)
    if left is None or right is None:
        return False
    order = compare_quantity(left, right)
    return None if order is None else order == 0


def as_quantity(value: SystemValue) -> Quantity | None:
    """Returns a quantity, also of a number; None for other values."""
    if isinstance(value, Quantity):
        return value
    return Quantity(Decimal(value)) if isinstance(value, int | Decimal) and type(value) is not bool else None


def key_of(node: Node) -> Hashable:
    """Returns what two nodes share if and only if they are equal: for sets, in time linear in the items."""
    value = system_of(node)
    if isinstance(value, Temporal):
        return temporal_key(value)
    if isinstance(value, Quantity):
        return quantity_key(value)
    if value is not None:
        return ("boolean", value) if type(value) is bool else value
    return ("json", freeze(node.value), freeze(node.element))


def freeze(value: Json) -> Hashable:
    """Returns a JSON value in a hashable form that ignores the order of properties."""
    if type(value) is dict:
        return frozenset((key, freeze(item)) for key, item in value.items())
    if type(value) is list:
        return tuple(freeze(item) for item in value)
    return (type(value) is bool, value) if isinstance(value, Hashable) else repr(value)


def distinct(nodes: Nodes) -> Nodes:
    """Returns the items without those equal to an earlier one."""
    if len(nodes) < 2:  # noqa: PLR2004  # one item has no equal
        return nodes
    seen: dict[Hashable, Node] = {}
    for node in nodes:
        seen.setdefault(key_of(node), node)
    return list(seen.values())


def is_in(left: Nodes, right: Nodes) -> bool | None:
    """Tells whether the only item on the left is among those on the right; None where there is none."""
    wanted = single(left)
    if wanted is None:
        return None
    key = key_of(wanted)
    return any(key_of(node) == key for node in right)


def is_among(left: Nodes, keys: frozenset[Hashable]) -> bool | None:
    """Tells whether the only item on the left has one of these keys; None where there is none."""
    wanted = single(left)
    return None if wanted is None else key_of(wanted) in keys


def has_item(left: Nodes, right: Nodes) -> bool | None:
    """Tells whether the only item on the right is among those on the left: `contains`."""
    return is_in(right, left)
