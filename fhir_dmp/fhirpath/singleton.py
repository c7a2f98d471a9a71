"""Nodes to System values: implicit conversion and the evaluation of collections as single values.

http://hl7.org/fhirpath/N1/#conversion, #singleton-evaluation-of-collections, https://hl7.org/fhir/R4/fhirpath.html#types
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from fhir_dmp.fhirpath.access import single
from fhir_dmp.fhirpath.fault import EvaluationError
from fhir_dmp.fhirpath.node import Node, Nodes
from fhir_dmp.fhirpath.quantity import Quantity
from fhir_dmp.fhirpath.system import READERS, SYSTEM_TYPE_OF, SystemValue
from fhir_dmp.fhirpath.temporal import Temporal, TemporalKind

Single = Callable[[Nodes], SystemValue | None]


def system_of(node: Node) -> SystemValue | None:
    """Returns the System value of a node; None for a primitive without value and for what is no primitive."""
    type_name = node.type_name
    if type_name.startswith("System."):
        value: SystemValue | None = node.value
        return None if type_name == "System.ClassInfo" else value
    reader = READERS.get(type_name)
    return reader(node.value) if reader else None


def system_type_of(node: Node) -> str | None:
    """Returns the name of the System type that a node has or converts to by itself."""
    if node.type_name.startswith("System."):
        return node.type_name.removeprefix("System.")
    return SYSTEM_TYPE_OF.get(node.type_name)


def convert_implicitly(value: SystemValue, system: str) -> SystemValue:
    """Returns a value as another System type where the language allows that by itself; raises EvaluationError else."""
    if system == "Decimal" and type(value) is int:
        return Decimal(value)
    if system == "Quantity" and isinstance(value, int | Decimal) and type(value) is not bool:
        return Quantity(Decimal(value))
    if system == "DateTime" and isinstance(value, Temporal) and value.kind == "Date":
        return replace(value, kind="DateTime")
    raise EvaluationError(f"a {system} is needed here, not {describe(value)}")


def describe(value: SystemValue) -> str:
    """Returns words for a value that is of the wrong type; never the value itself, which may be confidential."""
    return f"a {value.kind}" if isinstance(value, Temporal) else f"a {_NAMES.get(type(value), 'Decimal')}"


_NAMES = {bool: "Boolean", int: "Integer", str: "String", Quantity: "Quantity"}


def _is_temporal(kind: TemporalKind) -> Callable[[SystemValue], bool]:
    return lambda value: isinstance(value, Temporal) and value.kind == kind


_KINDS: dict[str, Callable[[SystemValue], bool]] = {
    "Boolean": lambda value: type(value) is bool,
    "String": lambda value: type(value) is str,
    "Integer": lambda value: type(value) is int,
    "Decimal": lambda value: isinstance(value, Decimal),
    "Quantity": lambda value: isinstance(value, Quantity),
    "Date": _is_temporal("Date"),
    "DateTime": _is_temporal("DateTime"),
    "Time": _is_temporal("Time"),
}


def _single(system: str) -> Single:
    is_kind = _KINDS[system]

    def read(nodes: Nodes) -> SystemValue | None:
        node = single(nodes)
        if node is None:
            return None
        value = system_of(node)
        if value is None:
            if system_type_of(node) is None:
                raise EvaluationError(f"a {system} is needed here, not a {node.type_name}")
            return None
        return value if is_kind(value) else convert_implicitly(value, system)

    return read


def singleton_boolean(nodes: Nodes) -> bool | None:
    """Returns the boolean of a collection: its only item, or true where that is no boolean."""
    node = single(nodes)
    if node is None:
        return None
    if node.type_name in {"System.Boolean", "boolean"}:
        return node.value if type(node.value) is bool else None
    return True


def _implicitly(system: str) -> Callable[[SystemValue | None], SystemValue | None]:
    return lambda value: None if value is None else convert_implicitly(value, system)


SINGLE: dict[str, Callable[..., object]] = {
    **{f"single_{system}": _single(system) for system in _KINDS},
    **{f"to_{system}_implicitly": _implicitly(system) for system in _KINDS},
    "singleton_boolean": singleton_boolean,
}
"""What generated code calls, by name."""
