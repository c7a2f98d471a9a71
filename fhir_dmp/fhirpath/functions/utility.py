"""Utility functions: http://hl7.org/fhirpath/N1/#utility-functions. The time and the tracer come from the Scope."""

from __future__ import annotations

from collections.abc import Callable

from fhir_dmp.fhirpath.fault import EvaluationError
from fhir_dmp.fhirpath.functions.signature import function
from fhir_dmp.fhirpath.node import Nodes, Scope
from fhir_dmp.fhirpath.temporal import Temporal, TemporalKind, from_datetime
from fhir_dmp.fhirpath.type_operation import type_of


def _trace(scope: Scope, nodes: Nodes, name: str, projection: Callable[..., Nodes] | None = None) -> Nodes:
    if scope.trace is not None:
        found = nodes if projection is None else [item for node in nodes for item in projection(node)]
        scope.trace(name, found)
    return nodes


def _moment(kind: TemporalKind) -> Callable[[Scope, Nodes], Temporal]:
    def call(scope: Scope, _nodes: Nodes) -> Temporal:
        if scope.now is None:
            raise EvaluationError("the time is not known here")
        return from_datetime(scope.now, kind)

    return call


UTILITY = (
    function("trace", _trace, "Items", "String", "Projection", optional=1, gives="Same", scoped=True),
    function("now", _moment("DateTime"), gives="DateTime", scoped=True),
    function("today", _moment("Date"), gives="Date", scoped=True),
    function("timeOfDay", _moment("Time"), gives="Time", scoped=True),
    function("type", type_of),
)
