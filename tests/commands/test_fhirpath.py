"""`fhir-dmp fhirpath`: what it writes and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fhir_dmp.cli import run

Capture = pytest.CaptureFixture[str]

PATIENT = {
    "resourceType": "Patient",
    "name": [{"use": "official", "family": "Martin", "given": ["Jeanne", "Marie"]}, {"given": ["Jeannette"]}],
    "birthDate": "1980-02-29",
    "multipleBirthInteger": 2,
}


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "patient.json"
    path.write_text(json.dumps(PATIENT), encoding="utf8")
    return str(path)


@pytest.mark.parametrize(
    ("expression", "context", "lines"),
    [
        ("name.given", "", ['"Jeanne"', '"Marie"', '"Jeannette"']),
        ("given.first()", "name", ['"Jeanne"', '"Jeannette"']),
        ("name.where(use = 'official')", "", [json.dumps(PATIENT["name"][0], separators=(",", ":"))]),  # type: ignore[index]  # a list
        ("birthDate + 1 year", "", ['"1981-02-28"']),
        ("multipleBirth + 0.50", "", ["2.50"]),
        ("4 days", "", ['{"value":4,"unit":"day","system":"http://unitsofmeasure.org","code":"d"}']),
        ("active", "", []),
        ("name.exists()", "", ["true"]),
    ],
)
def test_each_result_is_a_line_of_json(
    expression: str, context: str, lines: list[str], file: str, capsys: Capture
) -> None:
    code = run(["fhirpath", expression, file, *(["--context", context] if context else [])])
    assert (code, *capsys.readouterr()) == (0, "".join(f"{line}\n" for line in lines), "")


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("name.wher(a)", "there is no function wher() (character 6, at 'name.⏵wher(a)')"),
        ("name +", "it ends too early (character 7"),
        ("", "the text is empty"),
        ("name.given.single()", "character 12"),
        ("a" * 1_000_000, "longer than"),
    ],
)
def test_a_bad_expression_is_refused_with_its_place(expression: str, said: str, file: str, capsys: Capture) -> None:
    assert run(["fhirpath", expression, file]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


def test_a_file_without_resource_is_refused(tmp_path: Path, capsys: Capture) -> None:
    for text in ("{", "[]", "{}", '{"resourceType":"Unheard"}'):
        path = tmp_path / "other.json"
        path.write_text(text, encoding="utf8")
        assert run(["fhirpath", "name", str(path)]) == 1
        assert capsys.readouterr().err.startswith("fhir-dmp: ")


def test_a_file_that_is_no_json_is_named_with_the_place(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "broken.json"
    path.write_text('{"resourceType":\n  "Patient",', encoding="utf8")
    assert run(["fhirpath", "name", str(path)]) == 1
    assert capsys.readouterr().err.startswith(f"fhir-dmp: {path}:2:13: not acceptable JSON: ")


def test_an_absent_file_is_a_usage_error() -> None:
    assert run(["fhirpath", "name", "absent.json"]) == 2
