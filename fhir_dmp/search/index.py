"""Indexer: a resource → its Facts. https://hl7.org/fhir/R4/searchparameter.html.

The routes of all parameters of a type are one tree of JSON keys, so a resource is walked once; what routes cannot
express is evaluated as FHIRPath.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from fhir_dmp.fhirpath.compile import Program, compile_expression
from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.outcome import FhirError
from fhir_dmp.recurring import UNIQUE
from fhir_dmp.search.composite import Part
from fhir_dmp.search.contained import INSIDE, contained_in, ways_into
from fhir_dmp.search.conversion import make_conversion
from fhir_dmp.search.element import ElementPlan, Memory, PartPlan, Way, plan_element
from fhir_dmp.search.facts import CompositeFact, ContainedFact, DateFact, Facts, LinkFact, Security
from fhir_dmp.search.found import Conversion, Found, Target
from fhir_dmp.search.gathered import Gather, Gathered, Keepsake
from fhir_dmp.search.links import MISSING, patient_id, relative_to, type_of
from fhir_dmp.search.path import Equals, Key, RefersTo, Route, Step
from fhir_dmp.search.security import DEPOSIT, Noticed, find_security, notice, outside_patient
from fhir_dmp.search.space import ALWAYS, WORDED, Main, Parameter, SearchSpace
from fhir_dmp.search.span import parse_span
from fhir_dmp.search.words import NO_WORDS, stems_of, words_of

Fact = TypeVar("Fact")
Condition = Equals | RefersTo
_NO_VALUE = frozenset({"id", "extension"})
_PLAIN = frozenset({"resourceType", "reference", "contentType", "code", "text"})
"""Properties that say something of the object that has them."""
_DIVIDED = frozenset({"entity"})
"""Properties whose items have some of these among others that recur."""
_NOT_SEARCHED = frozenset({"resourceType", "id"})
"""Properties without facts of their own: Facts has them in any case."""


@dataclass(slots=True)
class _Place:
    """A place in the JSON of a type: what to convert there, for which parameters, and where there is more.

    `repeats` says that its value is an array; a value that is one elsewhere, or is none here, has no facts.
    """

    repeats: bool = False
    conversions: list[Conversion] = field(default_factory=list)
    parameters: set[str] = field(default_factory=set)
    conditions: dict[Condition, _Place] = field(default_factory=dict)
    children: dict[str, _Place] = field(default_factory=dict)

    def step(self, step: Step) -> _Place:
        if isinstance(step, Key):
            return self.children.setdefault(step.name, _Place(repeats=step.repeats))
        return self.conditions.setdefault(step, _Place())


@dataclass(frozen=True, slots=True)
class _Plan:
    """How to find the facts of one type."""

    root: _Place
    programs: tuple[tuple[Parameter, Program], ...]
    elements: tuple[ElementPlan, ...]
    is_worded: bool
    main: Main
    gather: Gather
    form: str


class Indexer:
    """Finds facts. Plans are made on first use of a type."""

    def __init__(self, space: SearchSpace) -> None:
        """Keeps facts of the parameters that the space indexes."""
        self._space = space
        self._own = space.own
        self._plans: dict[str, _Plan] = {}
        self._kept, self._elements = Keepsake(), Memory()
        self._inside: Indexer | None = None

    @property
    def space(self) -> SearchSpace:
        """The space whose parameters the facts are of."""
        return self._space

    def facts(self, resource: JsonObject) -> Facts:
        """Returns the facts of a resource. What is not as its type asks has no facts; nothing is raised."""
        found = self._facts(resource)
        if "contained" not in resource:
            return found
        contained = tuple(self._contained(resource, found))
        return found._replace(contained=contained, links=(*found.links, *_ways_seen(contained, found.links)))

    def _contained(self, resource: JsonObject, container: Facts) -> Iterator[ContainedFact]:
        """Of contained resources there are facts of R4's parameters only: others are indexed type by type."""
        inside = self._inside = self._inside or Indexer(self._space.shipped)
        ways = ways_into(resource, self._space.parameters(container.resource_type).values(), self._holds)
        for item in contained_in(resource, self._space.resource_types):
            kind, reference = item["resourceType"], f"{INSIDE}{item['id']}"
            facts = inside._facts(item)  # noqa: SLF001  an indexer like this one
            yield ContainedFact(
                facts._replace(
                    resource_id=reference,
                    last_updated=container.last_updated,
                    patient=None if kind == "Patient" else facts.patient,
                    security=Security(),
                    points=(),
                ),
                tuple(way.code for way in ways.get(reference, ()) if kind in way.targets),
            )

    def _facts(self, resource: JsonObject) -> Facts:
        if self._own is not self._space.own:  # the space has other parameters now
            self._own, self._plans = self._space.own, {}
            self._kept, self._elements = Keepsake(), Memory()
        resource_type = resource["resourceType"]
        plan = self._plans.get(resource_type)
        if plan is None:
            plan = self._plans[resource_type] = self._make_plan(resource_type)
        gathered = self._gather(resource, plan)
        found = gathered.found
        for parameter, program in plan.programs:
            self._evaluate(resource, parameter, program, found)
        composites: list[CompositeFact] = []
        for element in plan.elements:
            composites += element.facts(resource, self._holds, self._elements)
        return self._collect(resource, plan.main, found, gathered.noticed)._replace(
            form=plan.form,
            composites=_distinct(composites),
            points=_distinct(found.points),
            words=words_of(resource, gathered.stems) if plan.is_worded else NO_WORDS,
        )

    def _gather(self, resource: JsonObject, plan: _Plan) -> Gathered:
        """Gathers from all properties, and from the resource itself what conditions on it let through."""
        gathered = Gathered(Found(), Noticed(), set())
        for condition, inside in plan.root.conditions.items():
            if self._holds(condition, resource):
                self._walk(resource, inside, gathered.found)
        resource_type = resource["resourceType"]
        for path, name, value in _properties(resource, plan.root):
            if name not in UNIQUE and (type(value) is dict or type(value) is list):
                gathered.add(self._kept.find(resource_type, path, value, plan.gather))
            else:
                plan.gather(path, value, gathered)
        return gathered

    def _gather_property(self, root: _Place, path: str, value: Json, gathered: Gathered, *, is_worded: bool) -> None:
        """Gathers from the property at a path of one or two names."""
        above, _, name = path.rpartition(".")
        parent = root.children.get(above) if above else root
        place = parent.children.get(name) if parent else None
        if place is not None and (type(value) is list) == place.repeats:
            self._walk_property(value, place, gathered.found)
        notice(name, value, gathered.noticed)
        if is_worded:
            gathered.stems.update(stems_of(name, value))

    def _make_plan(self, resource_type: str) -> _Plan:
        root = _Place()
        programs: list[tuple[Parameter, Program]] = []
        elements: list[ElementPlan] = []
        registry = self._space.registry
        for parameter in self._space.indexed(resource_type):
            if parameter.code in ALWAYS:
                continue
            elements += self._plan_elements(resource_type, parameter)
            for route in parameter.paths.routes:
                self._add_route(root, parameter, route)
            programs += [
                (parameter, compile_expression(text, model=registry, type_name=resource_type))
                for text in parameter.paths.residue
            ]
        is_worded = not self._space.parameters(resource_type).keys().isdisjoint(WORDED)
        gather = partial(self._gather_property, root, is_worded=is_worded)
        main, form = self._space.main(resource_type), self._space.form(resource_type)
        return _Plan(root, tuple(programs), tuple(elements), is_worded, main, gather, form)

    def _plan_elements(self, resource_type: str, parameter: Parameter) -> Iterator[ElementPlan]:
        for number, base in enumerate(parameter.bases):
            parts = zip(parameter.components, base.parts, strict=True)
            plans = [self._plan_part(component, part) for component, part in parts]
            yield plan_element(f"{resource_type}.{parameter.code} {number}", parameter.code, base.steps, plans)

    def _plan_part(self, component: Parameter, part: Part) -> PartPlan:
        keys = (step.name for route in part.routes for step in route.steps[:1] if isinstance(step, Key))
        return PartPlan(tuple(self._ways(component, part.routes)), part.is_of_resource, frozenset(keys))

    def _ways(self, component: Parameter, routes: tuple[Route, ...]) -> Iterator[Way]:
        for route in routes:
            conversion = self._conversion(component, route)
            if conversion:
                yield route.steps, conversion

    def _add_route(self, root: _Place, parameter: Parameter, route: Route) -> None:
        conversion = self._conversion(parameter, route)
        if conversion:
            place = root
            for step in route.steps:
                place = place.step(step)
            place.conversions.append(conversion)
            place.parameters.add(parameter.code)

    def _conversion(self, parameter: Parameter, route: Route) -> Conversion | None:
        space = self._space
        system = space.systems.get(route.value_set, "")
        types = space.registry.resource_types
        return make_conversion(parameter.type, Target(parameter.code, route, system, space.base_url, space.zone, types))

    def _walk(self, value: Json, place: _Place, found: Found) -> None:
        for conversion in place.conversions:
            conversion(value, found)
        if place.parameters and _is_value(value):
            found.present |= place.parameters
        if type(value) is not dict:
            return
        for condition, inside in place.conditions.items():
            if self._holds(condition, value):
                self._walk(value, inside, found)
        children = place.children
        if children:
            for key, item in value.items():
                if key in children and (type(item) is list) == children[key].repeats:
                    self._walk_property(item, children[key], found)

    def _walk_property(self, value: Json, place: _Place, found: Found) -> None:
        for item in value if place.repeats else (value,):
            self._walk(item, place, found)

    def _holds(self, condition: Condition, value: JsonObject) -> bool:
        if isinstance(condition, RefersTo):
            return self._refers_to(value, condition.resource_type)
        return bool(value.get(condition.key) == condition.value)

    def _refers_to(self, value: JsonObject, resource_type: str) -> bool:
        reference, declared = value.get("reference"), value.get("type")
        if type(reference) is not str:
            return bool(declared == resource_type)
        named = type_of(relative_to(self._space.base_url, reference), declared if type(declared) is str else "")
        return named == resource_type

    def _evaluate(self, resource: JsonObject, parameter: Parameter, program: Program, found: Found) -> None:
        try:
            nodes = program.select(resource)
        except FhirError:
            return
        for node in nodes:
            conversion = self._conversion(parameter, Route((), node.type_name))
            if conversion:
                conversion(node.value, found)
                found.present.add(parameter.code)

    def _collect(self, resource: JsonObject, main: Main, found: Found, noticed: Noticed) -> Facts:
        tokens = _distinct(found.tokens)
        links = _distinct([*found.links, *_unseen(found)])
        resource_id = resource.get("id", "")
        dates = self._dates(found.dates, main)
        patient = self._patient(resource, links, main)
        return Facts(
            resource["resourceType"],
            resource_id,
            self._last_updated(resource),
            tokens,
            _distinct(found.strings),
            links,
            dates,
            _distinct(found.quantities),
            patient,
            next((date for date in found.dates if date.parameter == main.date), None),
            tuple([token for token in tokens if token.parameter == main.code]),
            self._security(resource, noticed, patient, dates),
        )

    def _patient(self, resource: JsonObject, links: tuple[LinkFact, ...], main: Main) -> str | None:
        if resource["resourceType"] == "Patient":
            return str(resource.get("id", ""))
        return _patient(links, main.patient) if main.patient else outside_patient(resource, self._space.base_url)

    def _security(
        self, resource: JsonObject, noticed: Noticed, patient: str | None, dates: tuple[DateFact, ...]
    ) -> Security:
        written = resource.get(DEPOSIT.get(resource["resourceType"], ""))
        deposited = parse_span(written, self._space.zone) if type(written) is str else None
        updated = self._last_updated(resource)
        return find_security(
            resource,
            noticed,
            patient=patient,
            dates=dates,
            deposit=min(updated, deposited[0]) if deposited else updated,
            base_url=self._space.base_url,
            resource_types=self._space.registry.resource_types,
            zone=self._space.zone,
        )

    def _dates(self, dates: list[DateFact], main: Main) -> tuple[DateFact, ...]:
        """Of the main date a resource has one; a second (in two types of a choice) is not as its type asks."""
        first = next((date for date in dates if date.parameter == main.date), None)
        return _distinct([date for date in dates if date.parameter != main.date or date is first])

    def _last_updated(self, resource: JsonObject) -> Milliseconds:
        meta = resource.get("meta")
        written = meta.get("lastUpdated") if type(meta) is dict else None
        span = parse_span(written, self._space.zone) if type(written) is str else None
        return span[0] if span else 0


def _properties(resource: JsonObject, root: _Place) -> Iterator[tuple[str, str, Json]]:
    """Yields path, name and value of what is gathered one by one."""
    for name, value in resource.items():
        if name in _DIVIDED and _is_divisible(root, name, value):
            yield from ((f"{name}.{inner}", inner, part) for item in value for inner, part in item.items())
        elif name not in _NOT_SEARCHED:
            yield name, name, value


def _is_divisible(root: _Place, name: str, value: Json) -> bool:
    """Tells whether all that is to be found in the items of a property is in one property of theirs."""
    place = root.children.get(name)
    if place is not None and (place.conversions or place.parameters or place.conditions or not place.repeats):
        return False
    return type(value) is list and all(type(item) is dict and _PLAIN.isdisjoint(item) for item in value)


def _is_value(value: Json) -> bool:
    """Tells whether there is a value at all; extensions alone are none."""
    return value is not None and (type(value) is not dict or not value.keys() <= _NO_VALUE)


def _unseen(found: Found) -> list[LinkFact]:
    """What says of parameters without other facts that they have a value."""
    kinds = (found.tokens, found.strings, found.links, found.dates, found.quantities, found.points)
    seen = {fact.parameter for kind in kinds for fact in kind}
    return [LinkFact(f"{code}:{MISSING}", "false") for code in sorted(found.present - seen)]


def _ways_seen(contained: tuple[ContainedFact, ...], links: tuple[LinkFact, ...]) -> list[LinkFact]:
    """What says of parameters that they have a value, where it is a reference to what is contained, of their type."""
    seen = {link.parameter for link in links}
    ways = {way for fact in contained for way in fact.ways}
    unseen = (way for way in sorted(ways) if seen.isdisjoint((way, f"{way}:{MISSING}")))
    return [LinkFact(f"{way}:{MISSING}", "false") for way in unseen]


def _patient(links: tuple[LinkFact, ...], parameter: str) -> str | None:
    for link in links:
        if link.parameter == parameter and (found := patient_id(link.text)):
            return found
    return None


def _distinct(facts: list[Fact]) -> tuple[Fact, ...]:
    return tuple(dict.fromkeys(facts))
