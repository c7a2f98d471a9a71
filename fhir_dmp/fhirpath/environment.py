"""The names that generated code may use."""

from __future__ import annotations

from fhir_dmp.fhirpath import (
    access,
    equality,
    equivalence,
    external,
    order,
    reference,
    singleton,
    type_operation,
)
from fhir_dmp.fhirpath.arithmetic import ARITHMETIC
from fhir_dmp.fhirpath.fault import exhaust
from fhir_dmp.fhirpath.functions import collection
from fhir_dmp.fhirpath.node import Node, Nodes
from fhir_dmp.fhirpath.system import READERS, SYSTEM_TYPE_OF
from fhir_dmp.fhirpath.text_limit import concatenate


def has_value(nodes: Nodes) -> bool:
    """Tells whether there is one item and it is a primitive with a value: https://hl7.org/fhir/R4/fhirpath.html."""
    return (
        len(nodes) == 1 and nodes[0].value is not None and singleton.system_type_of(nodes[0]) not in {None, "Quantity"}
    )


def with_url(nodes: Nodes, url: str | None) -> list[Node]:
    """Returns the extensions that have this url."""
    return [node for node in nodes if type(node.value) is dict and node.value.get("url", "") == url]


def item(nodes: Nodes, index: int | None) -> Nodes:
    """Returns the item at an index from 0, nothing where there is none."""
    return nodes[index : index + 1] if index is not None and index >= 0 else ()


GLOBALS: dict[str, object] = {
    **{f"read_{SYSTEM_TYPE_OF[name]}": reader for name, reader in READERS.items()},
    **singleton.SINGLE,
    **ARITHMETIC,
    **{
        called.__name__: called
        for called in (
            Node, has_value, with_url, item,
            access.listed, access.pairs, access.choices, access.member, access.children, access.all_children,
            access.count_children,
            access.descendants, access.root_descendants, access.single,
            access.single_value,
            external.variable_of,
            equality.equal, equality.not_equal, equality.distinct, equality.is_in, equality.has_item,
            equality.is_among, equality.key_of, exhaust, concatenate,
            equivalence.equivalent, equivalence.not_equivalent,
            order.compare, collection.sort,
            reference.resolve,
            type_operation.is_type, type_operation.of_type, type_operation.as_type,
        )
    },
}  # fmt: skip
