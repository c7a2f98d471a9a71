"""Invariants: https://hl7.org/fhir/R4/conformance-rules.html#constraints.

Most invariants look at a few elements and hold where none of them is there. Which ones, the text of the expression
tells; that it holds without them, one evaluation on an empty object does. Such objects are then passed by.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from fhir_dmp.conformance.finding import RIGHT, Code, Findings, one
from fhir_dmp.conformance.row import Constraint
from fhir_dmp.conformance.visit import Visit
from fhir_dmp.fhirpath.compile import Program, compile_expression
from fhir_dmp.fhirpath.node import Node, Scope
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.outcome import FhirError
from fhir_dmp.spec.registry import Registry

BY_STRUCTURE = frozenset({"ele-1", "ext-1", "dom-2", "txt-1", "txt-2", "ref-1"})
"""Keys of the invariants that the structure pass guarantees."""

_LOOKS_AROUND = re.compile(
    r"%(?:resource|rootResource|context)\b|\b(?:descendants|children|conformsTo|resolve)\(|\$this"
)
_NAME = re.compile(r"[A-Za-z_]\w*")
_ARGUMENTS = re.compile(r"\([^()]*\)")
_LITERAL = re.compile(r"'(?:\\.|[^'\\])*'?")
"""One without an end goes to that of the text: to look for it from every quote takes time with the square."""
_RESOLVES = "resolve()"
_ASKS_TYPE = re.compile(
    r"resolve\(\)[\s)]*(?:is\b|(?:\.ofType\(\w+\)|\.where\(\$this is \w+\))?\.(?:is|exists|empty|type)\()"
)
"""What of a target the reference alone tells, where it tells its type."""
_PLAIN_PATH = re.compile(r"([a-z]\w*)(?:\.(?:[a-z]\w*|(?:where|all|exists|select|empty|not|count|first|trace)\(\)))*")


@dataclass(slots=True, eq=False)
class InvariantRule:
    """A constraint on values of one type. `guard` are the JSON properties it looks at, None where that is unknown.

    A constraint holds where it is true; where it is empty too, if `is_lenient`: R4's own are written so (bdl-8 of an
    entry without fullUrl, per-1 of dates that cannot be compared).
    """

    constraint: Constraint
    model: Registry
    type_name: str
    guard: frozenset[str] | None
    is_lenient: bool = False
    _program: Program | None = None
    _fault: str = ""
    _is_primitive: bool = field(init=False)
    _resolves: bool = field(init=False)
    _reads_targets: bool = field(init=False)

    def __post_init__(self) -> None:
        """Compiles nothing yet: few of the invariants of a start are ever needed."""
        self._is_primitive = self.type_name in self.model.primitive_types
        expression = self.constraint.expression
        self._resolves = _RESOLVES in expression
        self._reads_targets = expression.count(_RESOLVES) > len(_ASKS_TYPE.findall(expression))

    def validate(self, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns a finding where the constraint does not hold, an information where that cannot be told."""
        program = self._program or self._prepare()
        if program is None:
            return self._tell(visit, self._fault)
        if self.guard is not None and self.guard.isdisjoint(value):
            return RIGHT
        context = Node(value, self.type_name, element) if self._is_primitive else None
        before = self._missed(visit) if self._resolves else 0
        try:
            holds = program.holds(visit.scope if program.looks_around else None, value, context)
        except FhirError as fault:
            return self._tell(visit, fault.issues[0].message)
        if self._resolves and self._missed(visit) > before:
            return self._tell(visit, "the target of a reference is not at hand")
        if holds or (holds is None and self.is_lenient):
            return RIGHT
        constraint = self.constraint
        return one(constraint.severity, Code.INVARIANT, f"{constraint.human} ({constraint.key})")

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""
        return {"constraint": self.constraint.key, "expression": self.constraint.expression}

    @property
    def fault(self) -> str:
        """Why the expression cannot be compiled, empty where it can."""
        return "" if self._program or self._prepare() else self._fault

    def _prepare(self) -> Program | None:
        if self._fault:
            return None
        try:
            self._program = compile_expression(self.constraint.expression, model=self.model, type_name=self.type_name)
        except FhirError as fault:
            self._fault = fault.issues[0].message
            return None
        if self.guard is not None and not _holds_of_nothing(self._program):
            self.guard = None
        return self._program

    def _missed(self, visit: Visit) -> int:
        """How many targets of which it would have to know more were not at hand so far."""
        return visit.run.unseen if self._reads_targets else visit.run.unknown

    def _tell(self, visit: Visit, reason: str) -> Findings:
        key = self.constraint.key
        return visit.run.tell(Code.NOT_CHECKED, f"{self.type_name} {key}", f"{key} was not checked: {reason}")


def build_invariants(
    constraints: Iterable[Constraint], model: Registry, type_name: str, *, is_lenient: bool = False
) -> list[InvariantRule]:
    """Builds the rules of the constraints that have an expression and are not those of the structure pass."""
    return [
        InvariantRule(item, model, type_name, _find_guard(item.expression, model, type_name), is_lenient)
        for item in constraints
        if item.expression and item.key not in BY_STRUCTURE
    ]


def _find_guard(expression: str, model: Registry, type_name: str) -> frozenset[str] | None:
    """The JSON properties of the elements whose names stand in the text; more than it looks at does no harm."""
    if type_name in model.primitive_types:
        return None
    text = _LITERAL.sub("''", expression)
    shortened = _drop_arguments(text).strip()
    focus = _PLAIN_PATH.fullmatch(shortened)
    if focus is None and _LOOKS_AROUND.search(text):
        return None
    names = {focus[1]} if focus else set(_NAME.findall(text))
    try:
        properties = model.group(type_name).properties.values()
    except KeyError:
        return None
    keys = {item.key for item in properties if item.element.name in names}
    return frozenset(keys | {f"_{key}" for key in keys})


def _drop_arguments(text: str) -> str:
    """The text without what stands within parentheses: arguments are not evaluated where the input is empty."""
    before = ""
    text = text.replace("()", "\0")
    while before != text:
        before, text = text, _ARGUMENTS.sub("\0", text)
    return text.replace("\0", "()")


def _holds_of_nothing(program: Program) -> bool:
    try:
        return program.holds(Scope({}), {}) is True
    except FhirError:
        return False
