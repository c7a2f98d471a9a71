"""Conditions of slices: a path that finds values in an item, and a test that one of them has to pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from fhir_dmp.conformance.binding import BindingRule
from fhir_dmp.conformance.finding import has_error
from fhir_dmp.conformance.known import Known
from fhir_dmp.conformance.value import matches
from fhir_dmp.conformance.visit import Item, Visit
from fhir_dmp.fhirpath.compile import compile_expression
from fhir_dmp.fhirpath.node import Node
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.outcome import FhirError
from fhir_dmp.spec.registry import Registry
from fhir_dmp.terminology.membership import Member


class Test(Protocol):
    """What a value has to be."""

    def passes(self, node: Node, visit: Visit) -> bool | None:
        """Tells whether a value is that; None where it is undecided."""

    def as_json(self) -> Json:
        """Returns the test as data."""


def any_of(verdicts: Iterable[bool | None]) -> bool | None:
    """Returns whether one is yes; undecided where none is and one is undecided."""
    answer: bool | None = False
    for verdict in verdicts:
        if verdict:
            return True
        answer = None if verdict is None else answer
    return answer


def all_of(verdicts: Iterable[bool | None]) -> bool | None:
    """Returns whether all are yes; undecided where none is no and one is undecided."""
    answer: bool | None = True
    for verdict in verdicts:
        if verdict is False:
            return False
        answer = None if verdict is None else answer
    return answer


@dataclass(frozen=True, slots=True)
class AllCondition:
    """Every discriminator says so."""

    conditions: tuple[PathCondition | ExistsCondition | UndecidedCondition, ...]

    def holds(self, item: Item, visit: Visit) -> bool | None:
        """Tells whether all hold."""
        return all_of(condition.holds(item, visit) for condition in self.conditions)

    def as_json(self) -> JsonObject:
        """Returns the condition as data."""
        return {"all": [condition.as_json() for condition in self.conditions]}


@dataclass(frozen=True, slots=True)
class PathCondition:
    """One of the values a path finds passes a test. `names` are those of a path that is nothing else.

    They are empty where a test needs to know of what type a value is.
    """

    path: str
    test: Test
    model: Registry
    names: tuple[str, ...] = ()

    def holds(self, item: Item, visit: Visit) -> bool | None:
        """Tells whether one does."""
        if found := _values_at(item.value, self.names):
            return any_of([self.test.passes(Node(value, ""), visit) for value in found])
        before = visit.run.unseen
        nodes = find_nodes(self.path, item, visit, self.model)
        is_open = nodes is None or visit.run.unseen > before
        return any_of([*(self.test.passes(node, visit) for node in nodes or ()), *([None] if is_open else [])])

    def as_json(self) -> JsonObject:
        """Returns the condition as data."""
        return {"path": self.path, "is": self.test.as_json()}


def _values_at(value: Json, names: tuple[str, ...]) -> list[Json]:
    """The values at the end of some names, none where there is no name."""
    found = [value] if names else []
    for name in names:
        inner = [item[name] for item in found if type(item) is dict and name in item]
        found = [part for item in inner for part in (item if type(item) is list else (item,))]
    return found


@dataclass(frozen=True, slots=True)
class ExistsCondition:
    """The path finds something, or nothing."""

    path: str
    model: Registry
    wanted: bool

    def holds(self, item: Item, visit: Visit) -> bool | None:
        """Tells whether it does."""
        before = visit.run.unseen
        nodes = find_nodes(self.path, item, visit, self.model)
        is_open = nodes is None or (not nodes and visit.run.unseen > before)
        return None if is_open else bool(nodes) == self.wanted

    def as_json(self) -> JsonObject:
        """Returns the condition as data."""
        return {"path": self.path, "exists": self.wanted}


@dataclass(frozen=True, slots=True)
class UndecidedCondition:
    """What the definition says of the path is not at hand."""

    path: str

    def holds(self, item: Item, visit: Visit) -> bool | None:
        """Tells that it is undecided."""
        del item, visit
        return None

    def as_json(self) -> JsonObject:
        """Returns the condition as data."""
        return {"path": self.path, "is": "undecided"}


def find_nodes(path: str, item: Item, visit: Visit, model: Registry) -> list[Node] | None:
    """Returns what a path finds from an item, None where it cannot be evaluated."""
    here = Node(item.value, item.type_name, item.element)
    if path == "$this":
        return [here]
    try:
        return compile_expression(path, model=model, type_name=item.type_name).run(visit.scope, item.value, here)
    except FhirError:
        return None


@dataclass(frozen=True, slots=True)
class AnyTest:
    """One of several tests."""

    tests: tuple[Test, ...]

    def passes(self, node: Node, visit: Visit) -> bool | None:
        """Tells whether one is passed."""
        return any_of(test.passes(node, visit) for test in self.tests)

    def as_json(self) -> Json:
        """Returns the test as data."""
        return {"any": [test.as_json() for test in self.tests]}


@dataclass(frozen=True, slots=True)
class ValueTest:
    """The value is this one, or contains it."""

    value: Json
    exact: bool

    def passes(self, node: Node, visit: Visit) -> bool | None:
        """Tells whether it is."""
        del visit
        return matches(node.value, self.value, exact=self.exact)

    def as_json(self) -> Json:
        """Returns the test as data."""
        return {"fixed" if self.exact else "pattern": self.value}


@dataclass(frozen=True, slots=True)
class ObjectTest:
    """Children of the value pass their tests, each in one of its items."""

    children: Mapping[str, Test]

    def passes(self, node: Node, visit: Visit) -> bool | None:
        """Tells whether all do."""
        value = node.value if type(node.value) is dict else {}
        return all_of(
            any_of(test.passes(item, visit) for item in _items(value, name)) for name, test in self.children.items()
        )

    def as_json(self) -> Json:
        """Returns the test as data."""
        return {name: test.as_json() for name, test in self.children.items()}


def _items(value: JsonObject, name: str) -> list[Node]:
    found = [item for key, item in value.items() if key == name or (key.startswith(name) and key[len(name)].isupper())]
    return [Node(item, "") for group in found for item in (group if type(group) is list else [group])]


@dataclass(frozen=True, slots=True)
class BindingTest:
    """A code of the value is in the value sets; rules by type of the value."""

    rules: Mapping[str, tuple[BindingRule, ...]]

    def passes(self, node: Node, visit: Visit) -> bool | None:
        """Tells whether it is; undecided where the code systems are not at hand."""
        del visit
        members = [rule.decide(rule.read(node.value)).member for rule in self.rules.get(node.type_name, ())]
        return all_of(None if member is Member.UNKNOWN else member is Member.YES for member in members)

    def as_json(self) -> Json:
        """Returns the test as data."""
        return {"binding": sorted({rule.value_set for rules in self.rules.values() for rule in rules})}


@dataclass(frozen=True, slots=True)
class TypeTest:
    """The value is of one of the types."""

    types: frozenset[str]
    model: Registry

    def passes(self, node: Node, visit: Visit) -> bool | None:
        """Tells whether it is."""
        del visit
        name = node.type_name
        return any(name == wanted or self.model.is_subtype(name, wanted) for wanted in self.types)

    def as_json(self) -> Json:
        """Returns the test as data."""
        return {"type": sorted(self.types)}


@dataclass(frozen=True, slots=True)
class ProfileTest:
    """The value, or the target of the reference that it is, conforms to one of the profiles, or is of its type."""

    profiles: tuple[str, ...]
    known: Known
    is_target: bool = False
    only_type: bool = False

    def passes(self, node: Node, visit: Visit) -> bool | None:
        """Tells whether it does; undecided where the profile or the target is not at hand."""
        if not self.is_target:
            return any_of(self._conforms(canonical, node.value, node.element, visit) for canonical in self.profiles)
        reference = node.value.get("reference", "") if type(node.value) is dict else str(node.value)
        target = visit.resolve(reference) if reference else None
        if target is None:
            return any_of(self._may_be(canonical, reference) for canonical in self.profiles)
        visit = visit.enter(target, contained=reference.startswith("#"))
        return any_of(self._conforms(canonical, target, None, visit) for canonical in self.profiles)

    def as_json(self) -> Json:
        """Returns the test as data."""
        return {"type of" if self.only_type else "profile": list(self.profiles)}

    def _conforms(self, canonical: str, value: Json, element: JsonObject | None, visit: Visit) -> bool | None:
        if self.only_type:
            kind = self.known.type_of(canonical)
            return None if kind is None else self.known.model.is_subtype(value.get("resourceType", ""), kind)
        profile = self.known.profile(canonical)
        if profile is None or profile.fault:
            return None
        return not has_error(self.known.conform(canonical, value, element, visit))

    def _may_be(self, canonical: str, reference: str) -> bool | None:
        kind = self.known.type_of(canonical)
        parts = reference.split("/")
        names = [name for name in parts if name in self.known.model.resource_types]
        if kind is None or not names:
            return None
        if not self.known.model.is_subtype(names[-1], kind):
            return False
        return True if self.only_type else None
