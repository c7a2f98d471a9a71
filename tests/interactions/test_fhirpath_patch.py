"""FHIRPath Patch on resources: tests/cases/patch/fhirpath_patch.json.

`hl7` are the cases of https://github.com/FHIR/fhir-test-cases (r4/patch/fhir-path-tests.xml, Apache 2.0) by their
names, restated; not its "Consecutive operations", whose output has what no operation of it makes.
"""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from fhir_dmp.fhirpath.model import model_of
from fhir_dmp.interactions.fhirpath_patch import apply_operations, parse_operations
from fhir_dmp.loader import load_registry
from fhir_dmp.outcome import Category, FhirError

Json = Any
CASES = json.loads((Path(__file__).parents[1] / "cases" / "patch" / "fhirpath_patch.json").read_text(encoding="utf8"))
ROWS = [*CASES["hl7"], *CASES["own"]]
_VALUES = {"type": "valueCode", "path": "valueString", "name": "valueString", "index": "valueInteger",
           "source": "valueInteger", "destination": "valueInteger"}  # fmt: skip


def write_parameters(operations: list[Json]) -> Json:
    """Returns the Parameters resource of operations in the short form of the cases."""
    return {"resourceType": "Parameters", "parameter": [_write(row) for row in operations]}


def _write(operation: Json) -> Json:
    parts = [{"name": name, _VALUES[name]: value} for name, value in operation.items() if name != "value"]
    value = [{"name": "value", **operation["value"]}] if "value" in operation else []
    return {"name": "operation", "part": parts + value}


def patched(operations: list[Json], resource: Json) -> Json:
    model = model_of(load_registry())
    return apply_operations(parse_operations(write_parameters(operations)), deepcopy(resource), model)


@pytest.mark.parametrize("case", ROWS, ids=[row["name"] for row in ROWS])
def test_a_patch_makes_what_the_specification_says(case: Json) -> None:
    if "fault" in case:
        with pytest.raises(FhirError) as raised:
            patched(case["operations"], case["resource"])
        assert (raised.value.category, raised.value.issues[0].code) == (Category.UNPROCESSABLE, case["fault"])
    else:
        assert patched(case["operations"], case["resource"]) == case["made"]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "test", "path": "Patient"},
        {"type": "delete"},
        {"type": "delete", "path": "Patient.active", "name": "x"},
        {"type": "move", "path": "Patient.name", "source": -1, "destination": 0},
        {"type": "add", "path": "Patient." + "a" * 10_000, "name": "x", "value": {"valueString": "x"}},
    ],
)
def test_what_is_no_operation_is_refused(part: Json) -> None:
    with pytest.raises(FhirError) as raised:
        patched([part], {"resourceType": "Patient"})
    assert raised.value.category is Category.MALFORMED


def test_an_expression_that_is_none_is_told_with_its_place() -> None:
    with pytest.raises(FhirError) as raised:
        patched([{"type": "delete", "path": "Patient.("}], {"resourceType": "Patient"})
    assert raised.value.category is Category.INVALID_PARAMETER


def test_operations_share_one_budget() -> None:
    path = "Patient.identifier.where(%resource.identifier.where(%resource.identifier.value = 'x').exists())"
    resource = {"resourceType": "Patient", "identifier": [{"value": str(number)} for number in range(1000)]}
    with pytest.raises(FhirError) as raised:
        patched([{"type": "delete", "path": path}] * 10, resource)
    assert "too many steps" in raised.value.issues[0].message
