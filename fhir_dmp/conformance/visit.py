"""Visit: what rules may ask about the surroundings of a value while a resource is validated.

A Run is one validation with all that it collects; a Visit is one resource in it: the outermost, a contained one, or
one in a Bundle. A Visit has the FHIRPath Scope of its resource.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol, TypeAlias

from fhir_dmp.conformance.bundle import BundleIndex
from fhir_dmp.conformance.finding import RIGHT, Code, Findings, PathStep, one
from fhir_dmp.fhirpath.node import Budget, Node, Scope
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.recurring import Recurring, text_of
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


Right: TypeAlias = Recurring[tuple[object, bytes], bool]
"""Values of which a rule had nothing to say, by the rule and their JSON: True for each."""


@dataclass(slots=True)
class Run:
    """One validation. `verdicts`, `active` and `texts` are by identity of a value, which the caller holds meanwhile.

    `looks` counts what rules asked for beyond the value they are about, and what they left to be told or looked up;
    `unseen` the targets that expressions asked for and that are not at hand, `unknown` those of them without a type.
    """

    environment: Environment
    functions: Functions = field(default_factory=Functions)
    right: Right = field(default_factory=Recurring)
    looks: int = 0
    unseen: int = 0
    unknown: int = 0
    texts: dict[int, bytes | None] = field(default_factory=dict)
    deferred: dict[Deferred, None] = field(default_factory=dict)
    questions: dict[CodeQuestion, None] = field(default_factory=dict)
    told: set[tuple[Code, str]] = field(default_factory=set)
    verdicts: dict[tuple[int, str], Findings] = field(default_factory=dict)
    active: set[tuple[int, str]] = field(default_factory=set)
    visits: dict[int, Visit] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)

    def tell(self, code: Code, subject: str, message: str) -> Findings:
        """Returns an information about something that was not checked, once for each subject."""
        self.looks += 1
        key = (code, subject)
        if key in self.told or len(self.told) >= _TOLD:
            return RIGHT
        self.told.add(key)
        return one("information", code, message)

    def miss(self, is_typed: bool) -> None:  # noqa: FBT001  # what FHIRPath's resolve() tells
        """Counts a target that is not at hand."""
        self.unseen += 1
        self.unknown += not is_typed

    def defer(self, reference: str, profiles: tuple[str, ...]) -> None:
        """Asks for a look-up."""
        self.looks += 1
        if len(self.deferred) < _DEFERRED:
            self.deferred[Deferred(reference, profiles)] = None

    def ask(self, question: CodeQuestion) -> bool | None:
        """Returns what the terminology server said; None where it did not yet, or where there is none."""
        self.looks += 1
        answers = self.environment.answers
        if answers is None:
            return None
        answer = answers.get(question)
        if answer is None and len(self.questions) < _QUESTIONS:
            self.questions[question] = None
        return answer

    def remember(self, rule: object, value: Json, ask: Callable[[], Findings]) -> Findings:
        """Returns what a rule, by `ask`, has to say of a value: nothing where it had nothing to say of its like.

        So is remembered only what a rule found by the value alone: where it looked around, what is there decides.
        """
        text = self._text(value)
        if text is None:
            return ask()
        if self.right.find((rule, text)):
            return RIGHT
        before = self.looks
        found = ask()
        if not found and self.looks == before:
            self.right.keep((rule, text), True)  # noqa: FBT003  that it was right is what is kept
        return found

    def _text(self, value: Json) -> bytes | None:
        """The JSON of a value, which the rules of a type and of each profile ask for."""
        key = id(value)
        if key not in self.texts:
            self.texts[key] = text_of(value)
        return self.texts[key]


class Visit:
    """One resource of a run. Whoever asks it for anything looks beyond the value that he is about (Run.looks)."""

    __slots__ = ("_bundle", "_container", "_full_url", "_index", "_resource", "_scope", "run")

    def __init__(self, run: Run, resource: JsonObject, *, around: Visit | None = None, contained: bool = False) -> None:
        """Starts at `around`, the resource that this one stands in."""
        self.run = run
        self._resource = resource
        self._container: JsonObject | None = (around.container or around.resource) if around and contained else None
        self._index: BundleIndex | None = None
        self._bundle = around.bundle_of_parts if around else None
        self._full_url: str = around.full_url if around and contained else ""
        if self._bundle and not contained:
            self._full_url = self._bundle.full_url(resource)
        functions = run.functions
        self._scope = Scope(
            resource,
            outermost=self._container,
            now=run.environment.now,
            budget=run.budget,
            resolve=self.resolve,
            miss=run.miss,
            member_of=functions.member_of,
            conforms_to=self._conforms_to if functions.conforms_to else None,
        )

    @property
    def resource(self) -> JsonObject:
        """The resource."""
        self.run.looks += 1
        return self._resource

    @property
    def container(self) -> JsonObject | None:
        """The resource that contains it."""
        self.run.looks += 1
        return self._container

    @property
    def bundle(self) -> BundleIndex | None:
        """The Bundle that it stands in."""
        self.run.looks += 1
        return self._bundle

    @property
    def full_url(self) -> str:
        """Its own, or its container's, in that Bundle; "" where it has none."""
        self.run.looks += 1
        return self._full_url

    @property
    def scope(self) -> Scope:
        """What expressions about its parts may look at."""
        self.run.looks += 1
        return self._scope

    @property
    def bundle_of_parts(self) -> BundleIndex | None:
        """The Bundle that the resources in this one stand in: itself if it is one, else that which it stands in."""
        self.run.looks += 1
        if self._index is None and self._resource.get("resourceType") == "Bundle":
            self._index = BundleIndex(self._resource)
        return self._index or self._bundle

    def enter(self, resource: JsonObject, *, contained: bool = False) -> Visit:
        """Returns the visit of a resource that stands in this one; the same each time."""
        self.run.looks += 1
        if resource is self._resource:
            return self
        known = self.run.visits.get(id(resource))
        if known is None:
            known = self.run.visits[id(resource)] = Visit(self.run, resource, around=self, contained=contained)
        return known

    def resolve(self, reference: str) -> JsonObject | None:
        """Returns the target of a reference, None where it is not at hand."""
        self.run.looks += 1
        if reference.startswith("#"):
            return self._contained(reference[1:])
        found = self._bundle.find(reference, self._full_url) if self._bundle else None
        if found is None and self.run.environment.resolve:
            found = self.run.environment.resolve(reference)
        return found

    def _contained(self, resource_id: str) -> JsonObject | None:
        container = self._container or self._resource
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
