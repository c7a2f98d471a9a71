"""is, as, ofType and type() on nodes: http://hl7.org/fhirpath/N1/#types, #reflection."""

from __future__ import annotations

from fhir_dmp.fhirpath.access import single
from fhir_dmp.fhirpath.model import TypeTest
from fhir_dmp.fhirpath.node import Node, Nodes


def is_type(nodes: Nodes, test: TypeTest) -> bool | None:
    """Tells whether the only item is of a type or one that specialises it; None where there is none."""
    node = single(nodes)
    return None if node is None else test.covers(node.type_name)


def of_type(nodes: Nodes, test: TypeTest) -> list[Node]:
    """Returns the items of a type."""
    kept = test.selected
    return [node for node in nodes if kept[node.type_name]]


def as_type(nodes: Nodes, test: TypeTest) -> list[Node]:
    """Returns the only item if it is of a type; raises EvaluationError for several, as the language wants it.

    R4 itself applies `as` to many items in its search parameters and invariants: of_type is what these get.
    """
    node = single(nodes)
    return [] if node is None or not test.selects(node.type_name) else [node]


def type_of(nodes: Nodes) -> list[Node]:
    """Returns the namespace and name of the type of each item."""
    return [Node(_class_info(node.type_name), "System.ClassInfo") for node in nodes]


def _class_info(type_name: str) -> dict[str, str]:
    system = type_name.startswith("System.")
    return {"namespace": "System" if system else "FHIR", "name": type_name.removeprefix("System.")}
