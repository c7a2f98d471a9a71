"""validate_structure under random resources: it answers whatever it is given, and it finds what was broken.

The second half takes the valid resources of examples/, breaks one thing in each, and knows what has to be found where.
What may be broken is read from the definitions, not from the compiled schemas.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_dmp.json_text import FhirDecimal, parse_json
from fhir_dmp.loader import load_registry
from fhir_dmp.spec.structure import Group, Property
from fhir_dmp.validation.compiler import Schemas
from fhir_dmp.validation.finding import LIMIT
from fhir_dmp.validation.validate import validate_structure

EXAMPLES = Path(__file__).parents[2] / "examples"
CORPUS = Path(os.environ.get("FHIR_DMP_SHARED", Path(__file__).parents[3] / "shared")) / "corpus" / "spec-examples"
REGISTRY = load_registry()
TYPES = ("Patient", "Observation", "Bundle", "Parameters", "Questionnaire", "DocumentReference", "Consent")
KEYS = sorted(
    {
        key
        for name in ("HumanName", "Extension", "Reference", "Narrative", "Bundle.entry", *TYPES)
        for key in REGISTRY.group(name).properties
    }
)
EVERY_KEY = [*KEYS, *(f"_{key}" for key in KEYS), "resourceType", "contained"]

scalars = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.floats()
    | st.sampled_from(["Patient/1", "#a", "2024-02-29", "http://x", *TYPES])
    | st.builds(FhirDecimal, st.sampled_from(["1.0", "1e9999", "-0.00", "12345678901234567890"]))
)  # fmt: skip
keys = st.sampled_from(EVERY_KEY) | st.text(max_size=8)
values = st.recursive(
    scalars,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(keys, children, max_size=5),
    max_leaves=25,
)
resources = st.builds(
    lambda name, rest: {"resourceType": name, **rest},
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(EVERY_KEY), values, max_size=8),
)
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(values | resources)
@unhurried
def test_any_json_gets_an_answer(schemas: Schemas, value: Any) -> None:
    issues = validate_structure(value, schemas)
    assert len(issues) <= LIMIT + 1
    for issue in issues:
        assert issue.message.startswith(issue.expression.partition(".")[0])
        assert issue.message.encode()


# --- one thing broken


@dataclass(frozen=True)
class Place:
    """An object in a resource: the way to it, what it is made of, and its FHIRPath."""

    keys: tuple[str | int, ...]
    group: Group
    expression: str


@dataclass(frozen=True)
class Slot:
    """A property that an object of a resource has."""

    resource: Any
    place: Place
    prop: Property

    @property
    def expression(self) -> str:
        return f"{self.place.expression}.{self.prop.element.name}"

    @property
    def first(self) -> str:
        """The FHIRPath of the value, or of the first."""
        return self.expression + ("[0]" if self.prop.element.repeats else "")

    def put(self, resource: Any, value: Any) -> None:
        """Writes the value of the property, the first where there are many."""
        holder = at(resource, self.place.keys)
        if self.prop.element.repeats:
            holder[self.prop.key][0] = value
        else:
            holder[self.prop.key] = value


def places(value: Any, name: str, expression: str, keys: tuple[str | int, ...] = ()) -> Iterator[Place]:
    group = REGISTRY.group(value["resourceType"] if name == "Resource" else name)
    yield Place(keys, group, expression)
    for key, item in value.items():
        prop = group.properties.get(key)
        if prop is None or prop.group in REGISTRY.primitive_types:
            continue
        path = f"{expression}.{prop.element.name}"
        if not prop.element.repeats:
            yield from places(item, prop.group, path, (*keys, key))
            continue
        for index, entry in enumerate(item):
            yield from places(entry, prop.group, f"{path}[{index}]", (*keys, key, index))


def at(resource: Any, keys: tuple[str | int, ...]) -> Any:
    for key in keys:
        resource = resource[key]
    return resource


def example_resources() -> list[Any]:
    bundles = [parse_json(file.read_bytes()) for file in sorted(EXAMPLES.glob("*.json"))]
    return [entry["resource"] for bundle in bundles for entry in bundle["entry"]]


def specification_resources() -> list[Any]:
    """The small ones among the specification's examples, where they are at hand: more types, and rarer elements."""
    return [parse_json(file.read_bytes()) for file in sorted(CORPUS.rglob("*.json")) if file.stat().st_size < 8000]


def slots(resource: Any) -> Iterator[Slot]:
    for place in places(resource, "Resource", resource["resourceType"]):
        for key in at(resource, place.keys):
            if key in place.group.properties:
                yield Slot(resource, place, place.group.properties[key])


VALID = example_resources()
SLOTS = [slot for resource in [*VALID, *specification_resources()] for slot in slots(resource)]
WRONG_TEXT = {
    "date": "2023-02-29",
    "dateTime": "2023-02-29T10:00:00Z",
    "instant": "2024-01-01",
    "time": "24:00:00",
    "code": "a  b",
    "id": "a_b",
    "uri": "a b",
    "url": "a b",
    "canonical": "a b",
    "oid": "1.2",
    "uuid": "1",
    "base64Binary": "*",
    "string": "a\x00",
    "markdown": " ",
}
NUMBERS = frozenset({"integer", "unsignedInt", "positiveInt", "decimal"})

# Each mutation tells where it applies, breaks that in a copy, and returns the code and FHIRPath to be found.


class AddUnknown:
    """A property that the object does not have."""

    @staticmethod
    def applies(slot: Slot) -> bool:
        return slot.prop.key == "resourceType" or bool(slot.place.group.properties)

    @staticmethod
    def apply(resource: Any, slot: Slot, data: st.DataObject) -> tuple[str, str]:
        known = {*slot.place.group.properties, "resourceType"}
        name = data.draw(st.text(min_size=1).filter(lambda text: text.removeprefix("_") not in known))
        at(resource, slot.place.keys)[name] = "x"
        named = re.fullmatch(r"_?([A-Za-z]\w{0,63})", name, re.ASCII)
        return "structure-unknown-property", slot.place.expression + (f".{name.removeprefix('_')}" if named else "")


class RemoveRequired:
    """A required element taken away from an object that has others."""

    @staticmethod
    def applies(slot: Slot) -> bool:
        others = set(at(slot.resource, slot.place.keys)) - {"id", slot.prop.key}
        return bool(slot.prop.element.min and others) and f"_{slot.prop.key}" not in others

    @staticmethod
    def apply(resource: Any, slot: Slot, data: st.DataObject) -> tuple[str, str]:
        del data
        del at(resource, slot.place.keys)[slot.prop.key]
        return "structure-required", slot.place.expression


class ChangeType:
    """A value of another JSON type."""

    @staticmethod
    def applies(slot: Slot) -> bool:
        return bool(slot.prop.key)

    @staticmethod
    def apply(resource: Any, slot: Slot, data: st.DataObject) -> tuple[str, str]:
        number, text, thing = FhirDecimal("1.5"), "x", {"a": "b"}
        wrong = {"object": [number, text, True], "string": [number, thing, True], "number": [text, thing, True],
                 "boolean": [number, text, thing]}  # fmt: skip
        slot.put(resource, data.draw(st.sampled_from(wrong[json_type(slot.prop)])))
        return "structure-type", slot.first


class Empty:
    """An empty value, or none."""

    @staticmethod
    def applies(slot: Slot) -> bool:
        return slot.prop.type.code != "Resource"

    @staticmethod
    def apply(resource: Any, slot: Slot, data: st.DataObject) -> tuple[str, str]:
        empty = {"object": {}, "string": ""}.get(json_type(slot.prop))
        slot.put(resource, data.draw(st.sampled_from([None, empty])))
        return "structure-empty", slot.first


class EmptyArray:
    """No array, or an empty one."""

    @staticmethod
    def applies(slot: Slot) -> bool:
        return slot.prop.element.repeats

    @staticmethod
    def apply(resource: Any, slot: Slot, data: st.DataObject) -> tuple[str, str]:
        at(resource, slot.place.keys)[slot.prop.key] = data.draw(st.sampled_from([[], None]))
        return "structure-empty", slot.expression


class ChangeShape:
    """One value instead of an array, or an array instead of one value."""

    @staticmethod
    def applies(slot: Slot) -> bool:
        return bool(slot.prop.key)

    @staticmethod
    def apply(resource: Any, slot: Slot, data: st.DataObject) -> tuple[str, str]:
        del data
        holder = at(resource, slot.place.keys)
        value = holder[slot.prop.key]
        holder[slot.prop.key] = value[0] if slot.prop.element.repeats else [value]
        return "structure-array", slot.expression


class Misspell:
    """A text that is not of its primitive type."""

    @staticmethod
    def applies(slot: Slot) -> bool:
        return slot.prop.group in WRONG_TEXT

    @staticmethod
    def apply(resource: Any, slot: Slot, data: st.DataObject) -> tuple[str, str]:
        del data
        slot.put(resource, "a b" if slot.prop.key == "id" else WRONG_TEXT[slot.prop.group])
        return "primitive-format", slot.first


class DoubleChoice:
    """A second type of a choice element."""

    @staticmethod
    def applies(slot: Slot) -> bool:
        return len(DoubleChoice.types(slot)) > 1

    @staticmethod
    def apply(resource: Any, slot: Slot, data: st.DataObject) -> tuple[str, str]:
        other = data.draw(st.sampled_from([key for key in DoubleChoice.types(slot) if key != slot.prop.key]))
        at(resource, slot.place.keys)[other] = {"id": "a"}
        return "structure-choice", slot.place.expression

    @staticmethod
    def types(slot: Slot) -> list[str]:
        return [key for key, item in slot.place.group.properties.items() if item.element is slot.prop.element]


class ReferElsewhere:
    """A reference to a type that the element does not allow."""

    @staticmethod
    def applies(slot: Slot) -> bool:
        targets = ReferElsewhere.targets(slot)
        return slot.prop.type.code == "Reference" and bool(targets) and targets <= REGISTRY.resource_types

    @staticmethod
    def apply(resource: Any, slot: Slot, data: st.DataObject) -> tuple[str, str]:
        others = sorted(REGISTRY.resource_types - ReferElsewhere.targets(slot))
        form = data.draw(st.sampled_from(["{}/1", "https://x.example/fhir/{}/1", "{}/1/_history/2", "{}?a=b"]))
        slot.put(resource, {"reference": form.format(data.draw(st.sampled_from(others)))})
        return "reference-target", f"{slot.first}.reference"

    @staticmethod
    def targets(slot: Slot) -> set[str]:
        return {url.rpartition("/")[2] for url in slot.prop.type.target_profiles}


MUTATIONS: list[Any] = [
    AddUnknown, RemoveRequired, ChangeType, Empty, EmptyArray, ChangeShape, Misspell, DoubleChoice, ReferElsewhere,
]  # fmt: skip


def json_type(prop: Property) -> str:
    if prop.group not in REGISTRY.primitive_types:
        return "object"
    return "number" if prop.group in NUMBERS else "boolean" if prop.group == "boolean" else "string"


@pytest.mark.parametrize("resource", VALID, ids=lambda item: f"{item['resourceType']}/{item.get('id')}")
def test_example_is_right(resource: Any, schemas: Schemas) -> None:
    assert validate_structure(resource, schemas) == []


PLACES = {mutation: [slot for slot in SLOTS if mutation.applies(slot)] for mutation in MUTATIONS}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda item: item.__name__)
@given(data=st.data())
@unhurried
def test_what_was_broken_is_found_where_it_was_broken(schemas: Schemas, mutation: Any, data: st.DataObject) -> None:
    slot = data.draw(st.sampled_from(PLACES[mutation]))
    resource = deepcopy(slot.resource)
    expected = mutation.apply(resource, slot, data)
    found = [(issue.code, issue.expression) for issue in validate_structure(resource, schemas)]
    assert expected in found
