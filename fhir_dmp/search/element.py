"""The facts of the elements that composite parameters look at. https://hl7.org/fhir/R4/search.html#combining."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.search.facts import CompositeFact
from fhir_dmp.search.found import Conversion, Found
from fhir_dmp.search.path import Equals, Key, RefersTo, Step

Holds = Callable[[Equals | RefersTo, JsonObject], bool]
"""Tells whether an object meets a condition of a route."""
Way = tuple[tuple[Step, ...], Conversion]
"""Steps, and what to do with the values at their end."""


@dataclass(frozen=True, slots=True)
class PartPlan:
    """How the facts of one component are found: from the element, or from the resource."""

    ways: tuple[Way, ...]
    is_of_resource: bool
    keys: frozenset[str]
    """The properties that the ways begin with."""


@dataclass(frozen=True, slots=True)
class ElementPlan:
    """How the facts of one composite parameter are found in the elements at the end of some steps."""

    parameter: str
    steps: tuple[Step, ...]
    parts: tuple[PartPlan, ...]

    def facts(self, resource: JsonObject, holds: Holds) -> Iterator[CompositeFact]:
        """Yields what each element has that has every component."""
        for element in values_at(resource, self.steps, holds):
            # the last component is a value, which is in fewer elements than the code that comes first
            last = self.parts[-1]
            if not last.is_of_resource and (type(element) is not dict or last.keys.isdisjoint(element)):
                continue
            found, parts = Found(), reversed(self.parts)
            is_whole = all(_convert(part, resource, element, found, holds) for part in parts)
            # composites are looked up by a code or reference, of which all in R4 have one
            if is_whole and (found.tokens or found.links):
                yield _fact(self.parameter, found)


def values_at(value: Json, steps: tuple[Step, ...], holds: Holds) -> Iterator[Json]:
    """Yields the values at the end of some steps."""
    if not steps:
        yield value
        return
    if type(value) is not dict:
        return
    step, rest = steps[0], steps[1:]
    if not isinstance(step, Key):
        if holds(step, value):
            yield from values_at(value, rest, holds)
        return
    item = value.get(step.name)
    if item is not None and (type(item) is list) == step.repeats:
        for inner in item if step.repeats else (item,):
            yield from values_at(inner, rest, holds)


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
