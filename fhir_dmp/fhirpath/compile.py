"""Expressions to programs: the entry to FHIRPath. http://hl7.org/fhirpath/N1/, https://hl7.org/fhir/R4/fhirpath.html.

A program is Python compiled once, specialised for the type it starts from. Programs of the last few thousand
expressions are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import CodeType
from typing import Any, Unpack

from fhir_dmp.fhirpath.compiler import Compiler, Focus, Form, Handler
from fhir_dmp.fhirpath.environment import GLOBALS
from fhir_dmp.fhirpath.expression import (
    Chain,
    External,
    Literal,
    Nothing,
    Path,
    Polarity,
    Special,
)  # fmt: skip
from fhir_dmp.fhirpath.external import compile_external
from fhir_dmp.fhirpath.fault import EvaluationError, expression_error
from fhir_dmp.fhirpath.model import Model, model_of
from fhir_dmp.fhirpath.node import Given, Node, Scope
from fhir_dmp.fhirpath.operand import EMPTY, Items, Operand, Scalar
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


_HANDLERS: dict[type, Handler] = {
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

    def __init__(self, text: str, model: Model, type_name: str, *, strict: bool) -> None:
        """Compiles an expression whose focus is of this type. Raises FhirError (invalid parameter)."""
        self.text = text
        self.type_name = type_name
        self._model = model
        self._strict = strict
        self._expression = parse_expression(text)
        self._takes_node = type_name in model.primitive_types
        self._written = self._write("items")

    @property
    def source(self) -> str:
        """The generated Python, for whoever wants to read it."""
        return self._written.source.text()[0]

    def select(self, resource: JsonObject) -> list[Node]:
        """Returns the nodes that the expression finds in a resource; for search parameters, with no surroundings."""
        return self.run(Scope(resource) if self._find.needs_scope else None, resource)

    def evaluate(
        self,
        resource: JsonObject,
        *,
        context: Node | None = None,
        **given: Unpack[Given],
    ) -> list[Node]:
        """Returns what the expression yields for a resource, or for one node in it (`context`).

        Raises FhirError (invalid parameter) where the language defines an error. What is not given is unknown.
        """
        scope = Scope(resource, context=context, **given)
        return self.run(scope, resource if context is None else context.value, context)

    def run(self, scope: Scope | None, value: Json, context: Node | None = None) -> list[Node]:
        """Returns what the expression yields for a JSON value in a scope that was made before.

        The root of the scope is the resource that contains the value: of the program's type, or the type it is part of.
        `context` is the value as a node, needed where the type is a primitive that may have extensions.
        """
        return list(self._call(self._find, scope, value, context))

    @property
    def looks_around(self) -> bool:
        """Tells whether `holds` needs a scope: else the value alone decides."""
        return self._test.needs_scope or self._test.needs_context

    def holds(self, scope: Scope | None, value: Json, context: Node | None = None) -> bool | None:
        """Tells whether the expression is true of a JSON value: for invariants. None where it is empty."""
        answer: bool | None = self._call(self._test, scope, value, context)
        return answer

    @cached_property
    def _find(self) -> _Code:
        return self._load(self._written)

    @cached_property
    def _test(self) -> _Code:
        return self._load(self._write("boolean"))

    def _call(self, code: _Code, scope: Scope | None, value: Json, context: Node | None) -> Any:  # noqa: ANN401
        if self._takes_node:
            focus: Json = context or Node(value, self.type_name)
        else:
            focus = value if type(value) is dict else {}
        if code.needs_context and scope is not None:
            scope.context = context or Node(value, self._model.resource_type(value, self.type_name))
        try:
            return code.main(scope, focus, 0, ())
        except EvaluationError as fault:
            raise expression_error(self.text, _position_of(fault, code), str(fault)) from None
        except ArithmeticError as fault:
            raise expression_error(self.text, _position_of(fault, code), "a number is out of range") from None

    def _write(self, form: Form) -> Compiler:
        """Writes the Python of this program; what is wrong with the expression shows here."""
        head = self.type_name.partition(".")[0]
        resource_type = head if head in self._model.resource_types else "Resource"
        compiler = Compiler(self.text, self._model, _HANDLERS, resource_type=resource_type, strict=self._strict)
        this: str | tuple[str, ...] = (self.type_name,) if self._takes_node else self.type_name
        compiler.write_function("main", self._expression, this, form)
        return compiler

    def _load(self, written: Compiler) -> _Code:
        """Makes the Python runnable, when it is first needed: most of the cost of a program."""
        source, positions = written.source.text()
        names: dict[str, Any] = {**GLOBALS, **written.source.constants}
        names |= {"M": self._model, "resource_type": self._model.resource_type}
        exec(_python(source), names)  # noqa: S102  # every name in it is ours, every text of the caller a constant
        return _Code(names["main"], positions, written.needs_scope, written.needs_context)


@dataclass(frozen=True, slots=True)
class _Code:
    """A generated function, and what each of its lines stands for."""

    main: Callable[..., Any]
    positions: list[int]
    needs_scope: bool
    needs_context: bool


def _position_of(fault: Exception, code: _Code) -> int:
    """Where in the expression the innermost generated line comes from that was running."""
    position, trace = 0, fault.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _FILE:
            position = code.positions[trace.tb_lineno - 1]
        trace = trace.tb_next
    return position


def _python(source: str) -> CodeType:
    return compile(source, _FILE, "exec")


@lru_cache(maxsize=8192)
def compile_expression(text: str, *, model: Registry, type_name: str, strict: bool = False) -> Program:
    """Returns the program of an expression whose focus is of this type (`Resource` where it may be any resource).

    Raises FhirError (invalid parameter) for text that is no FHIRPath. `strict` also refuses elements and types that
    the focus cannot have, and `as` on several items, which R4's own expressions apply.
    """
    known = model_of(model)
    if not known.knows(type_name):
        raise expression_error(text, 0, f"there is no type {type_name} to start from")
    return Program(text, known, type_name, strict=strict)
