"""One expression against one resource, once for each context: https://github.com/brianpos/fhirpath-lab (server API).

What the operation $fhirpath and the command `fhir-dmp fhirpath` share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TypeAlias

from fhir_dmp.conformance.rules import Rules
from fhir_dmp.conformance.visit import Environment, Run, Visit
from fhir_dmp.fhirpath.compile import Program
from fhir_dmp.fhirpath.model import Model, model_of
from fhir_dmp.fhirpath.node import Budget, Node, Nodes, Scope
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.spec.registry import Registry
from fhir_dmp.terminology.terminology import Terminology
from fhir_dmp.validation.validate import validate_structure

MOST_LENGTH = 10_000
"""Characters of an expression."""
MOST_CONTEXTS = 1_000
MOST_RESULTS = 10_000
"""Items of all results and traces together."""
_PRICE = 100
_PRICE_OF_OBJECT = 20
"""Steps that a question to the terminology, or to a profile about each object of a resource, costs."""

Ask: TypeAlias = Callable[[Node, str], bool | None]


@dataclass(frozen=True, slots=True)
class Question:
    """What to evaluate. `context` is an expression for the items to start from, empty for the resource itself.

    `strict` also refuses elements that the types of the expression cannot have.
    """

    expression: str
    resource: JsonObject
    context: str = ""
    variables: Mapping[str, Nodes] = field(default_factory=dict)
    strict: bool = False


@dataclass(slots=True)
class Evaluated:
    """What the expression yields in one context: `place` is that of the context, empty for the resource itself."""

    place: str
    nodes: list[Node]
    traces: list[tuple[str, Nodes]]


def evaluate(question: Question, rules: Rules, registry: Registry, now: datetime) -> list[Evaluated]:
    """Returns the results in the order of the contexts.

    Raises FhirError: invalid parameter (the expression, with the place in it), too costly.
    """
    resource = question.resource
    type_name = resource.get("resourceType")
    if type(type_name) is not str or type_name not in registry.resource_types:
        raise error(Category.INVALID_PARAMETER, "parameter-value", "resource has to be a resource of R4.", "resource")
    model = model_of(registry)
    places = find_places(question.resource, type_name, model)
    run = _Evaluation(question, model, _build_scope(question, rules, now, len(places)), places)
    return list(run.results(type_name))


def _build_scope(question: Question, rules: Rules, now: datetime, size: int) -> Scope:
    """The scope of validation, which knows terminology, profiles and what is contained or bundled.

    What these do is no step of the evaluation: it is charged to its budget, by the `size` of the resource. They rely on
    a structure that is right: of any other resource nothing of that is known.
    """
    if validate_structure(question.resource, rules.schemas):
        return Scope(question.resource, now=now, variables=question.variables)
    visit = Visit(Run(Environment(now), rules.profiles.functions), question.resource)
    scope = visit.scope
    return replace(
        scope,
        variables=question.variables,
        member_of=_priced(scope.member_of, scope.budget, _PRICE),
        subsumes=partial(_subsumes, rules.terminology),
        conforms_to=_priced(scope.conforms_to, scope.budget, _PRICE + size * _PRICE_OF_OBJECT),
    )


def _subsumes(terminology: Terminology, general: Node, special: Node) -> bool | None:
    """Compares the first codings; None where their code system does not tell."""
    wide, narrow = _coding(general), _coding(special)
    system, code, other = wide.get("system"), wide.get("code"), narrow.get("code")
    if not system or system != narrow.get("system"):
        return False if system and narrow.get("system") else None
    try:
        return terminology.subsumes(system, code or "", other or "") in {"equivalent", "subsumes"}
    except FhirError:
        return None


def _coding(node: Node) -> JsonObject:
    value: JsonObject = node.value if node.type_name in {"Coding", "CodeableConcept"} else {}
    return next(iter(value.get("coding", ())), {}) if node.type_name == "CodeableConcept" else value


def _priced(ask: Ask | None, budget: Budget, price: int) -> Ask | None:
    def call(node: Node, canonical: str) -> bool | None:
        budget.left -= price
        return ask(node, canonical) if ask else None

    return call if ask else None


class _Evaluation:
    def __init__(self, question: Question, model: Model, scope: Scope, places: dict[int, str]) -> None:
        self._question = question
        self._model = model
        self._scope = scope
        self._places = places
        self._programs: dict[tuple[str, str], Program] = {}
        self._count = 0

    def results(self, type_name: str) -> Iterator[Evaluated]:
        question = self._question
        if not question.context:
            yield self._evaluate("", Node(question.resource, type_name))
            return
        contexts = self._run(question.context, Node(question.resource, type_name))
        if len(contexts) > MOST_CONTEXTS:
            raise too_costly(f"there are more than {MOST_CONTEXTS:,} contexts")
        for index, node in enumerate(contexts):
            place = self._places.get(id(node.value)) or f"{question.context}[{index}]"
            yield self._evaluate(place, node)

    def _evaluate(self, place: str, node: Node) -> Evaluated:
        found = Evaluated(place, [], [])

        def trace(name: str, nodes: Nodes) -> None:
            self._count += len(nodes) + 1
            self._check_count()
            found.traces.append((name, nodes))

        self._scope.trace = trace
        found.nodes = self._run(self._question.expression, node)
        self._count += len(found.nodes)
        self._check_count()
        return found

    def _check_count(self) -> None:
        if self._count > MOST_RESULTS:
            raise too_costly(f"it yields more than {MOST_RESULTS:,} items")

    def _run(self, text: str, node: Node) -> list[Node]:
        program = self._programs.get((text, node.type_name))
        if program is None:
            program = self._programs[text, node.type_name] = self._compile(text, node.type_name)
        return program.run(self._scope, node.value, node)

    def _compile(self, text: str, type_name: str) -> Program:
        """Compiles without keeping: what clients send must not displace the server's own programs."""
        if len(text) > MOST_LENGTH:
            raise too_costly(f"it is longer than {MOST_LENGTH:,} characters")
        if not self._model.knows(type_name):
            message = f"a {type_name} is no context: it has to be an element or a resource"
            raise error(Category.INVALID_PARAMETER, "fhirpath-context", f"The context is not usable: {message}.")
        return Program(text, self._model, type_name, strict=self._question.strict)


def too_costly(message: str) -> FhirError:
    """The answer where an expression asks for more than is given."""
    return error(Category.TOO_COSTLY, "fhirpath-too-costly", f"The FHIRPath expression is too costly: {message}.")


def find_places(resource: JsonObject, type_name: str, model: Model) -> dict[int, str]:
    """Returns the FHIRPath of every object of a resource, by its identity."""
    places = {id(resource): type_name}
    waiting = [(resource, type_name, type_name)]
    while waiting:
        parent, kind, place = waiting.pop()
        for value, value_type, step in _inner_objects(parent, model.resource_type(parent, kind), model):
            places[id(value)] = place + step
            waiting.append((value, value_type, place + step))
    return places


def _inner_objects(parent: JsonObject, kind: str, model: Model) -> Iterator[tuple[JsonObject, str, str]]:
    """The objects right inside one, each with its type and the step that leads to it."""
    for name, children in model.children(kind).items():
        for child in children:
            found = parent.get(child.key)
            if type(found) is dict:
                yield found, child.type_name, f".{name}"
            elif type(found) is list:
                yield from _items(found, child.type_name, name)


def _items(values: list[Json], kind: str, name: str) -> Iterator[tuple[JsonObject, str, str]]:
    return ((value, kind, f".{name}[{index}]") for index, value in enumerate(values) if type(value) is dict)
