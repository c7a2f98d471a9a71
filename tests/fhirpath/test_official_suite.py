"""HL7's test suite for R4, run strictly; what is left out stands in cases/ with its reason.

https://github.com/FHIR/fhir-test-cases/tree/master/r4/fhirpath
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fhir_dmp.fhirpath.compile import compile_expression
from fhir_dmp.fhirpath.functions.conversion import to_string
from fhir_dmp.fhirpath.node import Node
from fhir_dmp.fhirpath.singleton import system_of
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.loader import load_registry
from fhir_dmp.outcome import Category, FhirError

SHARED = Path(os.environ.get("FHIR_DMP_SHARED", Path(__file__).parents[3] / "shared"))
SUITE = SHARED / "suites" / "fhirpath-tests-r4.json"
INPUTS = SHARED / "suites" / "fhirpath-inputs"
LEFT_OUT = json.loads((Path(__file__).parent / "cases" / "left_out_of_the_official_suite.json").read_text("utf-8"))
NOW = datetime(2025, 6, 1, 12, 30, 15, tzinfo=UTC)
PROFILES = "http://hl7.org/fhir/StructureDefinition/"

pytestmark = pytest.mark.skipif(not SUITE.is_file(), reason=f"HL7's FHIRPath suite is not at {SUITE}")


def _tests() -> list[JsonObject]:
    tests = json.loads(SUITE.read_text("utf-8")) if SUITE.is_file() else []
    left_out = {row["test"] for row in LEFT_OUT}
    return [test for test in tests if test["name"] not in left_out]


@cache
def _input(name: str | None) -> JsonObject:
    if name is None:
        return {"resourceType": "Patient"}
    return parse_json_object((INPUTS / name.replace(".xml", ".json")).read_bytes())


def _conforms_to(node: Node, profile: str) -> bool | None:
    name = profile.removeprefix(PROFILES)
    return node.type_name == name if name in load_registry().types else None


def _evaluate(test: JsonObject) -> list[Node]:
    resource = _input(test["inputfile"])
    program = compile_expression(test["expr"], model=load_registry(), type_name=resource["resourceType"], strict=True)
    return program.evaluate(resource, now=NOW, conforms_to=_conforms_to)


def _written(node: Node) -> str:
    value = system_of(node)
    return str(node.value) if value is None else to_string(value)


def _expected(output: dict[str, Any]) -> str:
    """A date as a literal has an @, a time @T; the values themselves have neither."""
    text: str = output["value"]
    return text.removeprefix("@T").removeprefix("@")


@pytest.mark.parametrize("test", _tests(), ids=lambda test: f"{test['group']}/{test['name']}")
def test_official(test: JsonObject) -> None:
    if test["invalid"]:
        with pytest.raises(FhirError) as caught:
            _evaluate(test)
        assert caught.value.category is Category.INVALID_PARAMETER
        return
    nodes = _evaluate(test)
    if test["predicate"] == "true":
        assert str(bool(nodes)).lower() == test["outputs"][0]["value"]
        return
    found, expected = [_written(node) for node in nodes], [_expected(output) for output in test["outputs"]]
    assert sorted(found) == sorted(expected) if test["ordered"] == "false" else found == expected
    for node, output in zip(nodes, test["outputs"], strict=True):
        if output["type"]:
            assert node.type_name.removeprefix("System.").lower() == output["type"].lower()


def test_at_most_ten_tests_are_left_out_and_each_exists() -> None:
    names = {test["name"] for test in json.loads(SUITE.read_text("utf-8"))}
    assert len(LEFT_OUT) <= 10
    assert all(row["test"] in names and row["reason"] for row in LEFT_OUT)
