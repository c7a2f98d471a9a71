"""validate_structure against cases that are data, and against input made to hurt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fhir_dmp.json_text import parse_json
from fhir_dmp.outcome import Issue
from fhir_dmp.validation.compiler import Schemas
from fhir_dmp.validation.finding import LIMIT
from fhir_dmp.validation.validate import validate_structure

CASES = [
    pytest.param(case, id=f"{file.stem}: {case['case']}")
    for file in sorted((Path(__file__).parent / "cases").glob("*.json"))
    for case in parse_json(file.read_bytes())
]


def rows(issues: list[Issue]) -> list[list[str]]:
    return [[issue.code, issue.expression] for issue in issues]


@pytest.mark.parametrize("case", CASES)
def test_case_has_exactly_its_findings(case: dict[str, Any], schemas: Schemas) -> None:
    issues = validate_structure(case["resource"], schemas)
    assert rows(issues) == case["findings"]
    assert {issue.severity for issue in issues} <= {"error"}
    if "message" in case:
        assert issues[0].message == case["message"]


def patient(**properties: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **properties}


MANY = 1_000_000


@pytest.mark.parametrize(
    "resource",
    [
        patient(name=[1] * MANY),
        patient(name=[{}] * MANY),
        patient(name=[{"given": [None] * MANY}]),
        patient(name=[{"given": [None] * MANY, "_given": [None] * MANY}]),
        patient(name=[{"_given": [1] * MANY}]),
        patient(contained=[None] * MANY),
        patient(contained=[{"resourceType": "Patient", "id": "a"}] * (LIMIT + 2)),
        patient(**{f"x{i}": 1 for i in range(MANY)}),
    ],
    ids=["numbers", "empty", "nulls", "pairs", "companions", "resources", "ids", "properties"],
)
def test_findings_stop_at_the_limit_and_say_so(resource: dict[str, Any], schemas: Schemas) -> None:
    issues = validate_structure(resource, schemas)
    assert len(issues) == LIMIT + 1
    assert issues[-1].code == "structure-too-many"
    assert issues[-1].message == "Patient: validation stopped after 200 findings; there may be more"


def test_findings_stop_at_the_limit_at_every_depth(schemas: Schemas) -> None:
    inner: dict[str, Any] = {"url": "a"}
    for _ in range(45):
        inner = {**{f"valuex{i}": 1 for i in range(LIMIT - 1)}, "url": "a", "extension": [inner]}
    assert len(validate_structure(patient(extension=[inner]), schemas)) == LIMIT + 1


def test_million_right_items_are_right(schemas: Schemas) -> None:
    assert validate_structure(patient(name=[{"given": ["a"] * MANY}]), schemas) == []


def test_deepest_resource_that_the_parser_takes_is_validated(schemas: Schemas) -> None:
    extension: dict[str, Any] = {"url": "a", "valueString": 1}
    for _ in range(46):
        extension = {"url": "a", "extension": [extension]}
    issues = validate_structure(patient(extension=[extension]), schemas)
    assert rows(issues) == [["structure-type", "Patient" + ".extension[0]" * 47 + ".value"]]


@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_deeper_nesting_than_the_parser_takes_is_a_finding(depth: int, schemas: Schemas) -> None:
    extension: dict[str, Any] = {"url": "a", "valueString": "b"}
    for _ in range(depth):
        extension = {"url": "a", "extension": [extension]}
    assert rows(validate_structure(patient(extension=[extension]), schemas)) == [["structure-depth", "Patient"]]


@pytest.mark.parametrize(
    "resource",
    [
        patient(name=[{"family": "x" * 5000 + "\x01"}]),
        patient(birthDate="x" * 5000),
        patient(active="x" * 5000),
        patient(**{"x" * 5000: 1}),
        patient(managingOrganization={"reference": "x" * 5000}),
        patient(managingOrganization={"reference": "X" + "x" * 5000 + "/1"}),
        patient(managingOrganization={"type": "X" + "x" * 5000}),
        patient(
            text={"status": "generated", "div": f"<div xmlns='http://www.w3.org/1999/xhtml'><{'x' * 5000}/></div>"}
        ),
        {"resourceType": "x" * 5000},
        patient(contained=[{"resourceType": "Patient", "id": "x" * 5000}] * 2),
        patient(multipleBirthInteger=parse_json(b"1" * 5000)),
        patient(multipleBirthInteger=10**5000),
        patient(extension=[{"url": "a", "valueDecimal": parse_json(b"1." + b"1" * 5000)}]),
    ],
)
def test_message_quotes_little_of_the_value(resource: dict[str, Any], schemas: Schemas) -> None:
    issues = validate_structure(resource, schemas)
    assert issues
    for issue in issues:
        assert "x" * 81 not in issue.message
        assert "1" * 81 not in issue.message
        assert len(issue.message) < 400


def test_message_can_be_written_whatever_the_value(schemas: Schemas) -> None:
    issues = validate_structure(patient(gender="\ud800 ", **{"\ud800": 1}), schemas)
    assert [issue.message.encode() for issue in issues]
    assert len(issues) == 2
