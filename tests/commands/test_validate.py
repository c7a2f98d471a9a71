"""`fhir-dmp validate`: what it writes and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_dmp.cli import run
from fhir_dmp.commands.check import split_path
from fhir_dmp.loader import load_registry
from fhir_dmp.validation.compiler import Schemas
from fhir_dmp.validation.validate import validate_structure

Capture = pytest.CaptureFixture[str]

PATIENT = '{\n  "resourceType": "Patient",\n  "birthDate": "19"\n}\n'
OBSERVATION = '{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":"1"}}'
BIRTH_DATE = "Patient.birthDate: '19' is not a date: expected YYYY, YYYY-MM or YYYY-MM-DD"
MALFORMED = "not acceptable JSON"
VALUE = "Observation.valueQuantity.value: expected a number (decimal), found the string '1'"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _validate(capsys: Capture, *arguments: str) -> tuple[int, list[str]]:
    code = run(["validate", *arguments])
    captured = capsys.readouterr()
    assert captured.err == ""
    return code, captured.out.splitlines()


def test_a_valid_resource_ends_well(folder: Path, capsys: Capture) -> None:
    (folder / "ok.json").write_text('{"resourceType": "Patient"}')
    assert _validate(capsys, "ok.json") == (0, ["1 file, no errors"])


def test_an_error_is_told_as_compilers_do(folder: Path, capsys: Capture) -> None:
    (folder / "patient.json").write_text(PATIENT)
    expected = [f"patient.json:3:3: error: {BIRTH_DATE} [primitive-format]", "1 file, 1 error in 1 file"]
    assert _validate(capsys, "patient.json") == (1, expected)


def test_errors_come_in_the_order_of_the_text(folder: Path, capsys: Capture) -> None:
    lines = ['{ "name": [{}],', '  "active": 1,', '  "gender": "x", "gender_": 1,', '  "resourceType": "Patient" }']
    (folder / "p.json").write_text("\n".join(lines))
    _, shown = _validate(capsys, "p.json")
    places = [tuple(map(int, line.split(":")[1:3])) for line in shown[:-1]]
    assert places == sorted(places)
    assert {(1, 12), (2, 3)} <= set(places)


def test_lines_of_ndjson_are_resources_and_blank_lines_nothing(folder: Path, capsys: Capture) -> None:
    lines = ['{"resourceType": "Patient"}', "", OBSERVATION, '{"resourceType": "Patient",}', '{"a": 1, "a": 2}']
    (folder / "rows.ndjson").write_text("\r\n".join(lines))
    assert _validate(capsys, "rows.ndjson") == (
        1,
        [
            f"rows.ndjson:3:85: error: {VALUE} [structure-type]",
            f"rows.ndjson:4:28: error: {MALFORMED}: Expecting property name enclosed in double quotes [json-malformed]",
            f"rows.ndjson:5:10: error: {MALFORMED}: the property 'a' appears twice in one object [json-malformed]",
            "1 file, 3 errors in 1 file",
        ],
    )


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"", "1:1: error: not acceptable JSON: Expecting value"),
        (b'{"a":\n\xff}', "2:1: error: not acceptable JSON: the text is not UTF-8"),
        (b"[]", "1:1: error: not acceptable JSON: the body is not a JSON object"),
        (b'{"a": NaN}', "1:1: error: not acceptable JSON: NaN is not JSON"),
        (b'{"a": "\\ud800"}', "1:1: error: not acceptable JSON: a string holds half of a surrogate pair"),
        (b"[" * 5000, "1:1: error: not acceptable JSON: the body nests deeper than 100 levels"),
    ],
)
def test_what_is_no_json_is_told_with_its_place(folder: Path, capsys: Capture, data: bytes, shown: str) -> None:
    (folder / "x.json").write_bytes(data)
    code, lines = _validate(capsys, "x.json")
    assert code == 1
    assert lines == [f"x.json:{shown} [json-malformed]", "1 file, 1 error in 1 file"]


def test_a_folder_is_searched_and_summed_up(folder: Path, capsys: Capture) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "ok.json").write_text('{"resourceType": "Patient"}')
    (folder / "a" / "b" / "bad.json").write_text(PATIENT)
    (folder / "a" / "rows.ndjson").write_text(f"{OBSERVATION}\n{OBSERVATION}\n")
    code, lines = _validate(capsys, "a")
    assert code == 1
    assert [line.partition(":")[0] for line in lines] == [
        "a/b/bad.json",
        "a/rows.ndjson",
        "a/rows.ndjson",
        "3 files, 3 errors in 2 files",
    ]


def test_json_is_one_valid_outcome_per_file_in_their_order(folder: Path, capsys: Capture) -> None:
    (folder / "b.json").write_text(PATIENT)
    (folder / "c.ndjson").write_text(f'{OBSERVATION}\n{{"resourceType": "Patient"}}\n{OBSERVATION}\n')
    (folder / "a.json").write_text('{"resourceType": "Patient"}')
    code, lines = _validate(capsys, "b.json", ".", "--format", "json")
    outcomes: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert code == 1
    assert [[issue["diagnostics"] for issue in outcome["issue"]] for outcome in outcomes] == [
        [f"b.json:3:3: {BIRTH_DATE}"],
        ["a.json: no issues were found"],
        [f"c.ndjson:1:85: {VALUE}", f"c.ndjson:3:85: {VALUE}"],
    ]
    assert [issue["severity"] for issue in outcomes[1]["issue"]] == ["information"]
    assert outcomes[0]["issue"][0]["expression"] == ["Patient.birthDate"]
    assert outcomes[0]["issue"][0]["details"]["coding"][0]["code"] == "primitive-format"
    schemas = Schemas(load_registry())
    assert [validate_structure(outcome, schemas) for outcome in outcomes] == [[], [], []]


def test_json_of_valid_files_ends_well(folder: Path, capsys: Capture) -> None:
    (folder / "a.json").write_text('{"resourceType": "Patient"}')
    code, lines = _validate(capsys, "a.json", "--format", "json")
    assert (code, len(lines)) == (0, 1)


@pytest.mark.parametrize(
    ("message", "path", "rest"),
    [
        ("Patient.birthDate: '19' is not a date: no", "Patient.birthDate", "'19' is not a date: no"),
        ("Bundle.entry[0].resource._id.id: x", "Bundle.entry[0].resource._id.id", "x"),
        ("Patient: unknown property 'a'", "Patient", "unknown property 'a'"),
        ("The type X: not exposed", "", "The type X: not exposed"),
        ("nothing", "", "nothing"),
    ],
)
def test_a_message_is_split_from_its_path(message: str, path: str, rest: str) -> None:
    assert split_path(message) == (path, rest)
