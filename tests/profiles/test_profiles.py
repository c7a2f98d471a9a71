"""Our profiles by example: a resource that keeps each, and changes that break it (cases/profiles.json, JSON Patch)."""

from __future__ import annotations

from pathlib import Path

import jsonpatch
import orjson
import pytest

from fhir_dmp.json_text import Json
from fhir_dmp.loader import load_registry
from fhir_dmp.validation.compiler import Schemas
from fhir_dmp.validation.validate import validate_structure
from tests.profiles.asked import broken_expressions, expressions
from tests.profiles.shipped import shipped

CASES = orjson.loads((Path(__file__).parent / "cases" / "profiles.json").read_bytes())
PROFILES = {definition["id"]: definition for definition in shipped("StructureDefinition", "dmp")}
CHANGES = [(name, change) for name, case in CASES.items() for change in case["breaks"]]
SCHEMAS = Schemas(load_registry())
TYPED = {"dmp-identifier", "dmp-practitioner", "dmp-organization"}
"""Whose constraints are those of the identifier: cases/invariants.json has them."""
EXTENSIONS = {name for name, definition in PROFILES.items() if definition["type"] == "Extension"}
"""No resources of their own: tests/conformance/mutation breaks each thing they ask inside a Patient."""


def test_each_profile_of_ours_has_its_cases() -> None:
    assert CASES.keys() == PROFILES.keys() - TYPED - EXTENSIONS


@pytest.mark.parametrize("name", CASES)
def test_resource_that_keeps_the_profile_is_right(name: str) -> None:
    resource = CASES[name]["keeps"]
    assert validate_structure(resource, SCHEMAS) == []
    assert broken_expressions(PROFILES[name], resource) == []


@pytest.mark.parametrize(("name", "change"), CHANGES, ids=[f"{name}-{change[0]['path']}" for name, change in CHANGES])
def test_change_breaks_the_profile(name: str, change: Json) -> None:
    changed = jsonpatch.apply_patch(CASES[name]["keeps"], change)
    assert broken_expressions(PROFILES[name], changed) != []


@pytest.mark.parametrize("name", CASES)
def test_each_thing_a_profile_asks_is_broken_by_a_change(name: str) -> None:
    changed = [jsonpatch.apply_patch(CASES[name]["keeps"], change) for change in CASES[name]["breaks"]]
    broken = {text for resource in changed for text in broken_expressions(PROFILES[name], resource)}
    assert sorted(set(expressions(PROFILES[name])) - broken) == []
