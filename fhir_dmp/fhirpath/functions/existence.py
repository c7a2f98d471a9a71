"""Existence: http://hl7.org/fhirpath/N1/#existence."""

from __future__ import annotations

from collections.abc import Callable

from fhir_dmp.fhirpath.equality import distinct, key_of
from fhir_dmp.fhirpath.fault import EvaluationError
from fhir_dmp.fhirpath.functions.signature import function
from fhir_dmp.fhirpath.node import Nodes
from fhir_dmp.fhirpath.singleton import system_of

Test = Callable[..., bool | None]


def _all(nodes: Nodes, test: Test) -> bool:
    return all(test(node, index) is True for index, node in enumerate(nodes))


def _booleans(nodes: Nodes) -> list[bool]:
    found = [system_of(node) for node in nodes]
    if not all(type(value) is bool for value in found):
        raise EvaluationError("only booleans can be tested here")
    return [value is True for value in found]


def _all_true(nodes: Nodes) -> bool:
    return all(_booleans(nodes))


def _any_true(nodes: Nodes) -> bool:
    return any(_booleans(nodes))


def _all_false(nodes: Nodes) -> bool:
    return not any(_booleans(nodes))


def _any_false(nodes: Nodes) -> bool:
    return not all(_booleans(nodes))


def _subset_of(nodes: Nodes, other: Nodes) -> bool:
    return {key_of(node) for node in nodes} <= {key_of(node) for node in other}


def _superset_of(nodes: Nodes, other: Nodes) -> bool:
    return _subset_of(other, nodes)


def _is_distinct(nodes: Nodes) -> bool:
    return len(distinct(nodes)) == len(nodes)


EXISTENCE = (
    function("all", _all, "Items", "Test", gives="Boolean"),
    function("allTrue", _all_true, gives="Boolean"),
    function("anyTrue", _any_true, gives="Boolean"),
    function("allFalse", _all_false, gives="Boolean"),
    function("anyFalse", _any_false, gives="Boolean"),
    function("subsetOf", _subset_of, "Items", "Items", gives="Boolean"),
    function("supersetOf", _superset_of, "Items", "Items", gives="Boolean"),
    function("isDistinct", _is_distinct, gives="Boolean"),
    function("distinct", distinct, gives="Same"),
)
