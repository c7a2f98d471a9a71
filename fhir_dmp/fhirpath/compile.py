"""Expressions to programs: the entry to FHIRPath. http://hl7.org/fhirpath/N1/, https://hl7.org/fhir/R4/fhirpath.html.

A program is Python compiled once, specialised for the type it starts from. Programs of the last few thousand
expressions are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from types import CodeType
from typing import NoReturn

from fhir_dmp.fhirpath.compiler import PARAMETERS, Compiler, Focus
from fhir_dmp.fhirpath.environment import GLOBALS
from fhir_dmp.fhirpath.expression import (
    Chain, Expression, External, Literal, Nothing, Path, Polarity, Special,
)  # fmt: skip
from fhir_dmp.fhirpath.external import compile_external
from fhir_dmp.fhirpath.fault import EvaluationError, expression_error
from fhir_dmp.fhirpath.model import Model, model_of
from fhir_dmp.fhirpath.node import ConformsTo, MemberOf, Node, Nodes, Resolve, Scope, Subsumes, Trace
from fhir_dmp.fhirpath.operand import EMPTY, Items, Operand, Route, Scalar
from fhir_dmp.fhirpath.operator import compile_chain, compile_polarity
from fhir_dmp.fhirpath.parser import parse_expression
from fhir_dmp.fhirpath.step import compile_path
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.spec.registry import Registry

_FILE = "<fhirpath>"


def _compile_literal(compiler: Compiler, node: Literal, _focus: Focus) -> Operand:
    return Scalar(compiler.source.constant(node.value), node.type_name)


def _compile_nothing(_compiler: Compiler, _node: Nothing, _focus: Focus) -> Operand:
    return EMPTY


def _compile_special(_compiler: Compiler, node: Special, focus: Focus) -> Operand:
    if node.name == "$this":
        return focus.this
    return Scalar(focus.index, "System.Integer") if node.name == "$index" else Items(focus.total)


_HANDLERS = {
    Literal: _compile_literal,
    Nothing: _compile_nothing,
    Special: _compile_special,
    External: compile_external,
    Path: compile_path,
    Polarity: compile_polarity,
    Chain: compile_chain,
}


class Program:
    """A compiled expression. Evaluations share nothing; none changes its input."""

    def __init__(self, text: str, expression: Expression, model: Model, type_name: str, *, strict: bool) -> None:
        """Compiles an expression whose focus is of this type. Raises FhirError (invalid parameter)."""
        self.text = text
        self.type_name = type_name
        compiler = Compiler(text, model, _HANDLERS, strict=strict)
        self._takes_node = type_name in model.primitive_types
        with compiler.source.function("main", PARAMETERS):
            this: Operand = Items("(n,)", (type_name,), single=True) if self._takes_node else Route("n", "json", type_name)
            found = compiler.compile(expression, Focus(this))
            compiler.source.line(f"return {compiler.items(found).text}")
        self._needs_scope = compiler.needs_scope
        source, self._positions = compiler.source.text()
        self.source = source
        names = {**GLOBALS, **compiler.source.constants, "M": model, "resource_type": model.resource_type}
        exec(_python(source), names)  # noqa: S102  # every name in it is ours, every text a constant
        self._main: Callable[[Scope | None, Json, int, Nodes], Nodes] = names["main"]

    def select(self, resource: JsonObject) -> list[Node]:
        """Returns the nodes that the expression finds in a resource; for search parameters, with no surroundings."""
        return self.run(Scope(resource) if self._needs_scope else None, resource)

    def evaluate(
        self,
        resource: JsonObject,
        *,
        context: Node | None = None,
        now: datetime | None = None,
        variables: Mapping[str, Nodes] | None = None,
        resolve: Resolve | None = None,
        member_of: MemberOf | None = None,
        subsumes: Subsumes | None = None,
        conforms_to: ConformsTo | None = None,
        trace: Trace | None = None,
    ) -> list[Node]:
        """Returns what the expression yields for a resource, or for one node in it (`context`).

        Raises FhirError (invalid parameter) where the language defines an error. What is not injected is unknown.
        """
        scope = Scope(resource, None, context, now, variables, resolve, member_of, subsumes, conforms_to, trace)
        return self.run(scope, resource if context is None else context.value, context)

    def run(self, scope: Scope | None, value: Json, context: Node | None = None) -> list[Node]:
        """Returns what the expression yields for a JSON value in a scope that was made before."""
        focus = (context or Node(value, self.type_name)) if self._takes_node else value
        try:
            return list(self._main(scope, focus, 0, ()))
        except EvaluationError as fault:
            self._raise(fault)

    def _raise(self, fault: EvaluationError) -> NoReturn:
        """Raises the fault as a FhirError that points to where the failing line of code comes from."""
        position, trace = 0, fault.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == _FILE:
                position = self._positions[trace.tb_lineno - 1]
            trace = trace.tb_next
        raise expression_error(self.text, position, str(fault)) from None


def _python(source: str) -> CodeType:
    return compile(source, _FILE, "exec")


@lru_cache(maxsize=8192)
def compile_expression(text: str, *, model: Registry, type_name: str, strict: bool = False) -> Program:
    """Returns the program of an expression whose focus is of this type (`Resource` where it may be any resource).

    Raises FhirError (invalid parameter) for text that is no FHIRPath. `strict` also refuses elements and types that
    the focus cannot have, and `as` on several items, which R4's own expressions apply.
    """
    return Program(text, parse_expression(text), model_of(model), type_name, strict=strict)
