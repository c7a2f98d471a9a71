"""The facts of the elements that composite parameters look at. https://hl7.org/fhir/R4/search.html#combining."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.recurring import Recurring, text_of
from fhir_dmp.search.facts import CompositeFact
from fhir_dmp.search.found import Conversion, Found
from fhir_dmp.search.path import Equals, Key, RefersTo, Step

Holds = Callable[[Equals | RefersTo, JsonObject], bool]
"""Tells whether an object meets a condition of a route."""
Way = tuple[tuple[Step, ...], Conversion]
"""Steps, and what to do with the values at their end."""


Memory = Recurring[tuple[str, bytes], tuple[CompositeFact, ...]]
"""What elements had, by the plan's name and the properties that it looks at."""


@dataclass(frozen=True, slots=True)
class PartPlan:
    """How the facts of one component are found: from the element, or from the resource."""

    ways: tuple[Way, ...]
    is_of_resource: bool
    keys: frozenset[str]
    """The properties that the ways begin with; some may begin with a condition instead."""


@dataclass(frozen=True, slots=True)
class ElementPlan:
    """How the facts of one composite parameter are found in the elements at the end of some steps.

    `name` is that of no other plan which has the same memory.
    """

    name: str
    parameter: str
    steps: tuple[Step, ...]
    parts: tuple[PartPlan, ...]
    sources: tuple[tuple[bool, str], ...] = ()
    """All that the facts depend on: properties, those of the resource itself marked; nothing where it may be more."""

    def facts(self, resource: JsonObject, holds: Holds, memory: Memory) -> list[CompositeFact]:
        """Returns what each element has that has every component."""
        first = self.steps[0] if self.steps else None
        if type(first) is Key and first.name not in resource:
            return []
        # the last component is a value, which is in fewer elements than the code that comes first
        last = self.parts[-1]
        found: list[CompositeFact] = []
        for element in values_at(resource, self.steps, holds):
            if last.is_of_resource or (type(element) is dict and not last.keys.isdisjoint(element)):
                found += self._remember(resource, element, holds, memory)
        return found

    def _remember(self, resource: JsonObject, element: Json, holds: Holds, memory: Memory) -> tuple[CompositeFact, ...]:
        """What an element has: values with their codes recur, as other properties do (gathered.py)."""
        if not self.sources or type(element) is not dict:
            return self._find(resource, element, holds)
        text = text_of([(resource if is_outside else element).get(key) for is_outside, key in self.sources])
        if text is None:
            return self._find(resource, element, holds)
        return memory.find_or_make((self.name, text), lambda: self._find(resource, element, holds))

    def _find(self, resource: JsonObject, element: Json, holds: Holds) -> tuple[CompositeFact, ...]:
        found, parts = Found(), reversed(self.parts)
        is_whole = all(_convert(part, resource, element, found, holds) for part in parts)
        # composites are looked up by a code or reference, of which all in R4 have one
        return (_fact(self.parameter, found),) if is_whole and (found.tokens or found.links) else ()


def plan_element(name: str, parameter: str, steps: tuple[Step, ...], parts: Sequence[PartPlan]) -> ElementPlan:
    """Returns the plan of the elements at the end of some steps."""
    is_known = all(ways and type(ways[0]) is Key for part in parts for ways, _ in part.ways)
    sources = {(part.is_of_resource, key) for part in parts for key in part.keys} if is_known else ()
    return ElementPlan(name, parameter, steps, tuple(parts), tuple(sorted(sources)))


def values_at(value: Json, steps: tuple[Step, ...], holds: Holds) -> Sequence[Json]:
    """Returns the values at the end of some steps."""
    values: Sequence[Json] = (value,)
    for step in steps:
        objects = [item for item in values if type(item) is dict]
        values = _below(objects, step) if isinstance(step, Key) else [item for item in objects if holds(step, item)]
    return values


def _below(objects: Sequence[JsonObject], key: Key) -> Sequence[Json]:
    name, repeats = key.name, key.repeats
    items = [item for value in objects if (item := value.get(name)) is not None and (type(item) is list) == repeats]
    return [inner for item in items for inner in item] if repeats else items


def _convert(part: PartPlan, resource: JsonObject, element: Json, found: Found, holds: Holds) -> bool:
    """Adds the facts of a component; tells whether there were any."""
    before = _count(found)
    start = resource if part.is_of_resource else element
    for steps, conversion in part.ways:
        for value in values_at(start, steps, holds):
            conversion(value, found)
    return _count(found) > before


def _count(found: Found) -> int:
    return len(found.tokens) + len(found.strings) + len(found.links) + len(found.dates) + len(found.quantities)


def _fact(parameter: str, found: Found) -> CompositeFact:
    """A composite takes no modifier: the facts that only modifiers ask for are left out."""
    return CompositeFact(
        parameter,
        tuple([fact for fact in found.tokens if ":" not in fact.parameter]),
        tuple([fact for fact in found.strings if ":" not in fact.parameter]),
        tuple([fact for fact in found.links if ":" not in fact.parameter]),
        tuple(found.dates),
        tuple(found.quantities),
    )
