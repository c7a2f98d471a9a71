"""R4's invariants: all compile where they stand, and those of severity error hold on the specification's examples.

https://hl7.org/fhir/R4/conformance-rules.html#constraints
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from fhir_dmp.fhirpath.access import choices
from fhir_dmp.fhirpath.compile import compile_expression
from fhir_dmp.fhirpath.model import model_of
from fhir_dmp.fhirpath.node import Node, Scope
from fhir_dmp.json_text import Json, JsonObject, parse_json_object
from fhir_dmp.loader import load_definitions, load_registry

SHARED = Path(os.environ.get("FHIR_DMP_SHARED", Path(__file__).parents[3] / "shared"))
INVARIANTS = SHARED / "suites" / "r4-invariants.json"
EXAMPLES = SHARED / "corpus" / "spec-examples"


@dataclass(frozen=True, slots=True)
class Constraint:
    """A row of ElementDefinition.constraint."""

    key: str
    severity: str
    expression: str
    path: str


@cache
def _constraints() -> list[Constraint]:
    """Every constraint of R4's structures, profiles included, with the path of its element."""
    return [
        Constraint(row["key"], row["severity"], row["expression"], element["path"])
        for definition in load_definitions("structures")
        if definition["resourceType"] == "StructureDefinition"
        for element in (definition.get("snapshot") or definition["differential"])["element"]
        for row in element.get("constraint", ())
        if "expression" in row
    ]


@cache
def _base_constraints() -> dict[str, dict[str, Constraint]]:
    """The constraints of types, not of profiles, by path and key."""
    found: dict[str, dict[str, Constraint]] = {}
    for definition in load_definitions("structures"):
        if definition.get("derivation") == "constraint":
            continue
        for element in definition["snapshot"]["element"]:
            for row in element.get("constraint", ()):
                constraint = Constraint(row["key"], row["severity"], row.get("expression", "true"), element["path"])
                found.setdefault(element["path"], {})[constraint.key] = constraint
    return found


def _type_at(path: str) -> str:
    """The type of an element where it has one, so that constraints on `Patient.name` start from a HumanName."""
    registry = load_registry()
    parent, _, name = path.rpartition(".")
    if not parent:
        return path
    try:
        properties = registry.group(parent).properties
    except KeyError:
        return "Element"
    found = properties.get(name.removesuffix("[x]"))
    return found.group if found else "Element"


@pytest.mark.skipif(not INVARIANTS.is_file(), reason=f"the list of R4's invariants is not at {INVARIANTS}")
def test_the_definitions_hold_every_invariant_of_the_list() -> None:
    listed = set(json.loads(INVARIANTS.read_text("utf-8")))
    assert len(listed) == 203
    assert listed <= {constraint.expression for constraint in _constraints()}


@pytest.mark.parametrize(
    "constraint", {row.expression: row for row in _constraints()}.values(), ids=lambda row: row.key
)
def test_every_invariant_compiles_where_it_stands(constraint: Constraint) -> None:
    type_name = _type_at(constraint.path)
    program = compile_expression(constraint.expression, model=load_registry(), type_name=type_name)
    if type_name not in load_registry().primitive_types:
        scope = Scope({"resourceType": constraint.path.partition(".")[0]})
        assert program.holds(scope, {}) in {True, False, None}


@dataclass(frozen=True, slots=True)
class Place:
    """A value in a resource: its node, the path of its element, the scope it is in."""

    node: Node
    path: str
    scope: Scope


def _places(node: Node, path: str, scope: Scope) -> Iterator[Place]:
    yield Place(node, path, scope)
    parent = node.value if isinstance(node.value, dict) else node.element
    if not isinstance(parent, dict):
        return
    group = node.type_name if parent is node.value else "Element"
    for key, child in model_of(load_registry()).keys(group).items():
        table = dict.fromkeys((key, "_" + key), child)
        for value, element, type_name in choices({k: parent[k] for k in table if k in parent}, table):
            yield from _child_places(Node(value, type_name, element), f"{group}.{key}", scope)


def _child_places(node: Node, path: str, scope: Scope) -> Iterator[Place]:
    registry = load_registry()
    if node.type_name == "Resource":
        inner = Node(node.value, node.value["resourceType"])
        outermost = scope.root if path.endswith(".contained") else None
        yield from _places(inner, inner.type_name, Scope(node.value, outermost=outermost))
        return
    group, _, key = path.rpartition(".")
    element = registry.group(group).properties[key].element
    yield from _places(node, element.path, scope)


def _failures(resource: JsonObject) -> Iterator[tuple[str, str]]:
    registry = load_registry()
    for place in _places(Node(resource, resource["resourceType"]), resource["resourceType"], Scope(resource)):
        constraints = _base_constraints().get(place.path, {}) | _base_constraints().get(place.node.type_name, {})
        for row in constraints.values():
            program = compile_expression(row.expression, model=registry, type_name=place.node.type_name)
            if row.severity == "error" and program.holds(place.scope, place.node.value, place.node) is False:
                yield row.key, place.path


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason=f"the specification's examples are not at {EXAMPLES}")
def test_invariants_hold_on_the_examples_of_the_specification() -> None:
    files = sorted(EXAMPLES.rglob("*.json"))
    failures = {file.name: found for file in files if (found := list(_failures(_read(file))))}
    assert len(files) > 300
    assert failures == {}


def _read(file: Path) -> JsonObject:
    return parse_json_object(file.read_bytes())


BROKEN: list[tuple[str, str, Json]] = [
    ("Period", "per-1", {"start": "2020-02-01", "end": "2020-01-01"}),
    ("Observation", "obs-6", {"valueString": "x", "dataAbsentReason": {"text": "unknown"}}),
    ("Patient.contact", "pat-1", {"gender": "female"}),
    ("Timing.repeat", "tim-1", {"duration": 5}),
    ("Quantity", "qty-3", {"code": "mg"}),
    ("Attachment", "att-1", {"data": "AAAA"}),
    ("Extension", "ext-1", {"url": "http://example.org"}),
    ("Bundle", "bdl-1", {"type": "document", "total": 3}),
    ("Narrative.div", "txt-1", '<div xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></div>'),
]


@pytest.mark.parametrize(("path", "key", "value"), BROKEN, ids=[row[1] for row in BROKEN])
def test_invariant_is_false_of_what_breaks_it(path: str, key: str, value: Json) -> None:
    constraint = _base_constraints()[path][key]
    type_name = "xhtml" if path == "Narrative.div" else path
    program = compile_expression(constraint.expression, model=load_registry(), type_name=type_name)
    assert program.holds(Scope({"resourceType": path.partition(".")[0]}), value) is False
