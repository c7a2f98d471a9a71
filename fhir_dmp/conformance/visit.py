"""Visit: what rules may ask about the surroundings of a value while a resource is validated.

A Run is one validation with all that it collects; a Visit is one resource in it: the outermost, a contained one, or
one in a Bundle. A Visit has the FHIRPath Scope of its resource.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from fhir_dmp.conformance.bundle import BundleIndex
from fhir_dmp.conformance.finding import RIGHT, Code, Findings, PathStep, one
from fhir_dmp.fhirpath.node import Budget, Node, Scope
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.terminology.question import CodeQuestion

Resolve = Callable[[str], JsonObject | None]
MemberOf = Callable[[Node, str], bool | None]
ConformsTo = Callable[["Visit", Node, str], bool | None]

_TOLD = 50
"""Remarks of one run about what was not checked; each is made once, where it is met first."""
_DEFERRED = 1000
"""Look-ups that one run asks for."""
_QUESTIONS = 100
"""Codes that one run wants a terminology server to tell."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What the caller knows: the time, and how to reach other resources (None for one that is not at hand).

    `answers` are those of a terminology server, for what is unknown here; None where there is no such server.
    """

    now: datetime | None = None
    resolve: Resolve | None = None
    answers: Mapping[CodeQuestion, bool] | None = None


@dataclass(frozen=True, slots=True)
class Deferred:
    """A look-up that was not done: whether the target of `reference` conforms to one of `profiles`."""

    reference: str
    profiles: tuple[str, ...]


class Functions(NamedTuple):
    """What FHIRPath's memberOf() and conformsTo() ask."""

    member_of: MemberOf | None = None
    conforms_to: ConformsTo | None = None


@dataclass(slots=True)
class Run:
    """One validation. `verdicts` and `active` are by identity of the value, which the caller holds all the while."""

    environment: Environment
    functions: Functions = field(default_factory=Functions)
    deferred: dict[Deferred, None] = field(default_factory=dict)
    questions: dict[CodeQuestion, None] = field(default_factory=dict)
    told: set[tuple[Code, str]] = field(default_factory=set)
    verdicts: dict[tuple[int, str], Findings] = field(default_factory=dict)
    active: set[tuple[int, str]] = field(default_factory=set)
    visits: dict[int, Visit] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)

    def tell(self, code: Code, subject: str, message: str) -> Findings:
        """Returns an information about something that was not checked, once for each subject."""
        key = (code, subject)
        if key in self.told or len(self.told) >= _TOLD:
            return RIGHT
        self.told.add(key)
        return one("information", code, message)

    def defer(self, reference: str, profiles: tuple[str, ...]) -> None:
        """Asks for a look-up."""
        if len(self.deferred) < _DEFERRED:
            self.deferred[Deferred(reference, profiles)] = None

    def ask(self, question: CodeQuestion) -> bool | None:
        """Returns what the terminology server said; None where it did not yet, or where there is none."""
        answers = self.environment.answers
        if answers is None:
            return None
        answer = answers.get(question)
        if answer is None and len(self.questions) < _QUESTIONS:
            self.questions[question] = None
        return answer


class Visit:
    """One resource of a run. `container` is the resource that contains it, `full_url` its own in a Bundle."""

    __slots__ = ("_index", "bundle", "container", "full_url", "resource", "run", "scope")

    def __init__(self, run: Run, resource: JsonObject, *, around: Visit | None = None, contained: bool = False) -> None:
        """Starts at `around`, the resource that this one stands in."""
        self.run = run
        self.resource = resource
        self.container: JsonObject | None = (around.container or around.resource) if around and contained else None
        self._index: BundleIndex | None = None
        self.bundle = around.bundle_of_parts if around else None
        self.full_url: str = around.full_url if around and contained else ""
        if self.bundle and not contained:
            self.full_url = self.bundle.full_url(resource)
        functions = run.functions
        self.scope = Scope(
            resource,
            outermost=self.container,
            now=run.environment.now,
            budget=run.budget,
            resolve=self.resolve,
            member_of=functions.member_of,
            conforms_to=self._conforms_to if functions.conforms_to else None,
        )

    @property
    def bundle_of_parts(self) -> BundleIndex | None:
        """The Bundle that the resources in this one stand in: itself if it is one, else that which it stands in."""
        if self._index is None and self.resource.get("resourceType") == "Bundle":
            self._index = BundleIndex(self.resource)
        return self._index or self.bundle

    def enter(self, resource: JsonObject, *, contained: bool = False) -> Visit:
        """Returns the visit of a resource that stands in this one; the same each time."""
        if resource is self.resource:
            return self
        known = self.run.visits.get(id(resource))
        if known is None:
            known = self.run.visits[id(resource)] = Visit(self.run, resource, around=self, contained=contained)
        return known

    def resolve(self, reference: str) -> JsonObject | None:
        """Returns the target of a reference, None where it is not at hand."""
        if reference.startswith("#"):
            return self._contained(reference[1:])
        found = self.bundle.find(reference, self.full_url) if self.bundle else None
        if found is None and self.run.environment.resolve:
            found = self.run.environment.resolve(reference)
        return found

    def _contained(self, resource_id: str) -> JsonObject | None:
        container = self.container or self.resource
        if not resource_id:
            return container
        contained: list[JsonObject] = container.get("contained", [])
        return next((item for item in contained if item.get("id") == resource_id), None)

    def _conforms_to(self, node: Node, canonical: str) -> bool | None:
        ask = self.run.functions.conforms_to
        return ask(self, node, canonical) if ask else None


class Rule(Protocol):
    """A node of the tree: one thing that a definition says. Made once, knows no other rule's business."""

    def validate(self, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns what there is to say of a value; `element` stands beside a primitive (`_birthDate`).

        The structure of the value is right. A primitive without value is None.
        """

    def as_json(self) -> JsonObject:
        """Returns the rule as data."""


class Item(NamedTuple):
    """A value of an element: its JSON property and type, what stands beside it, and the steps from its object."""

    key: str
    type_name: str
    value: Json
    element: JsonObject | None
    steps: tuple[PathStep, ...]


@dataclass(frozen=True, slots=True)
class AllRule:
    """Several rules about one value: all are asked."""

    rules: tuple[Rule, ...]

    def validate(self, value: Json, element: JsonObject | None, visit: Visit) -> Findings:
        """Returns what each has to say."""
        return [finding for rule in self.rules for finding in rule.validate(value, element, visit)]

    def as_json(self) -> JsonObject:
        """Returns the rules as one object, later ones under numbered names where two are of a kind."""
        return {"all": [rule.as_json() for rule in self.rules]}


def combine(rules: list[Rule]) -> Rule | None:
    """Returns one rule for several, None for none."""
    if not rules:
        return None
    return rules[0] if len(rules) == 1 else AllRule(tuple(rules))
