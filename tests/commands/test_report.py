"""The report: places in files, expressions as the file sees them, counts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fhir_dmp.commands.report import Place, Refusal, Report, entry_index, read_refusal
from fhir_dmp.json_position import Position

FILE = Path("x.json")


@pytest.mark.parametrize(
    ("frame", "expression", "expected"),
    [
        ("Patient", "Bundle.entry[7].resource.name[0]", "Patient.name[0]"),
        ("Patient", "Bundle.entry[7].resource", "Patient"),
        ("Patient", "Bundle.entry[7]", "Patient"),
        ("Patient", "Bundle.entry[7].request.url", "Patient"),
        ("Patient", "", "Patient"),
        ("Bundle.entry[2].resource", "Bundle.entry[0].resource.name[0]", "Bundle.entry[2].resource.name[0]"),
        ("Bundle.entry[2].resource", "Bundle.entry[0].request.url", "Bundle.entry[2].request.url"),
        ("Bundle.entry[2].resource", "Bundle.entry[0]", "Bundle.entry[2]"),
        ("Bundle.entry[2].resource", "Bundle.type", "Bundle.entry[2].resource"),
    ],
)
def test_an_expression_about_what_was_sent_is_told_about_the_file(frame: str, expression: str, expected: str) -> None:
    assert Place(FILE, frame).translate(expression) == expected


def _issue(message: str, *expression: str) -> dict[str, Any]:
    coding = [{"system": "s", "code": "c"}]
    return {"code": "invalid", "details": {"text": message, "coding": coding}, "expression": list(expression)}


@pytest.mark.parametrize(
    ("frame", "issue", "expected"),
    [
        ("Patient", _issue("Patient.name[0]: no", "Bundle.entry[1].resource.name[0]"), "Patient.name[0]"),
        ("Patient", _issue("Patient.name[0]: no", "Bundle.entry[1]"), "Patient.name[0]"),
        ("Patient", _issue("no", "Bundle.entry[1]"), "Patient"),
        ("Bundle.entry[3].resource", _issue("Patient.name: no", "Bundle.entry[1]"), "Bundle.entry[3].resource.name"),
        ("Bundle.entry[3].resource", _issue("no", "Bundle.entry[1]"), "Bundle.entry[3]"),
        ("Bundle.entry[3].resource", _issue("Patient.name: no"), "Bundle.entry[3].resource.name"),
        ("Bundle.entry[3].resource", _issue("Bundle.entry[1].request: no"), "Bundle.entry[3].request"),
    ],
)
def test_the_message_tells_the_element_where_the_expression_does_not(
    frame: str, issue: dict[str, Any], expected: str
) -> None:
    refusal = read_refusal(Place(FILE, frame), issue)
    assert (refusal.expression, refusal.code) == (expected, "c")


@pytest.mark.parametrize(
    ("issue", "code"),
    [
        ({"code": "invalid"}, "invalid"),
        ({"code": "invalid", "details": {"coding": []}}, "invalid"),
        ({"code": "invalid", "details": {"coding": [{"code": "own"}]}}, "own"),
        ({"details": "x"}, ""),
    ],
)
def test_the_code_of_the_details_comes_first(issue: dict[str, Any], code: str) -> None:
    assert read_refusal(Place(FILE), issue).code == code


def test_the_entry_an_issue_is_about() -> None:
    assert entry_index({"expression": ["Bundle.entry[12].resource.name"]}) == 12
    assert entry_index({"location": ["Bundle.entry[3]"]}) == 3
    assert entry_index({"expression": ["Bundle.type"]}) == 0
    assert entry_index({}) == 0


def test_refusals_are_listed_by_file_in_the_order_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    file.write_text('{"resourceType": "Bundle",\n "type": 1,\n "entry": [{"resource": {\n   "a": 1}}]}')
    line = Place(Path("a.ndjson"), "Patient", 7, b'{"resourceType": "Patient", "active": 1}')
    refusals = [
        Refusal(Place(file), "later", "c", "Bundle.entry[0].resource.a"),
        Refusal(line, "Patient.active: expected a boolean.", "structure-type", "Patient.active"),
        Refusal(Place(file), "malformed", position=Position(9, 9)),
        Refusal(Place(file), "sooner", "", "Bundle.type"),
    ]
    assert list(Report(Counter(refused=3), refusals).lines()) == [
        f"{file}:2:2: error: Bundle.type: sooner",
        f"{file}:4:4: error: Bundle.entry[0].resource.a: later [c]",
        f"{file}:9:9: error: malformed",
        "a.ndjson:7:29: error: Patient.active: expected a boolean [structure-type]",
        "0 created, 0 updated, 0 unchanged, 3 refused",
    ]


def test_a_file_that_is_gone_is_still_reported() -> None:
    refusal = Refusal(Place(Path("gone.json")), "no", "c", "Patient.name")
    assert next(Report(refusals=[refusal]).lines()) == "gone.json:1:1: error: Patient.name: no [c]"


def test_counts_are_told_where_there_is_something_to_tell() -> None:
    report = Report(Counter(created=1234, read=2, deleted=1), skipped=5000)
    assert list(report.lines()) == [
        "1,234 created, 0 updated, 0 unchanged, 1 deleted, 2 read, 0 refused",
        "5,000 were loaded before and skipped (--restart sends them again)",
    ]
