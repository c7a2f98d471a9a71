"""`fhir-dmp validate`: what it writes and how it ends."""

from __future__ import annotations

import copy
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fhir_dmp.cli import run
from fhir_dmp.commands.check import split_path
from fhir_dmp.loader import data_folder, load_registry
from fhir_dmp.validation.compiler import Schemas
from fhir_dmp.validation.validate import validate_structure

Capture = pytest.CaptureFixture[str]

PATIENT = '{\n  "resourceType": "Patient",\n  "birthDate": "19"\n}\n'
OBSERVATION = '{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":"1"}}'
BIRTH_DATE = "Patient.birthDate: '19' is not a date: expected YYYY, YYYY-MM or YYYY-MM-DD"
MALFORMED = "not acceptable JSON"
NARRATED = (
    '{"resourceType": "Patient", "text": '
    '{"status": "generated", "div": "<div xmlns=\\"http://www.w3.org/1999/xhtml\\">x</div>"}}'
)
BARE = '{"resourceType": "Patient"}'
NO_NARRATIVE = "Patient: A resource should have narrative for robust management (dom-6)"
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
    (folder / "ok.json").write_text(NARRATED)
    assert _validate(capsys, "ok.json") == (0, ["1 file, no errors"])


def test_a_warning_is_told_and_refuses_nothing(folder: Path, capsys: Capture) -> None:
    (folder / "bare.json").write_text(f"\n{BARE}")
    expected = [f"bare.json:2:1: warning: {NO_NARRATIVE} [invariant]", "1 file, no errors, 1 warning"]
    assert _validate(capsys, "bare.json") == (0, expected)


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
    lines = [BARE, "", OBSERVATION, '{"resourceType": "Patient",}', '{"a": 1, "a": 2}']
    (folder / "rows.ndjson").write_text("\r\n".join(lines))
    assert _validate(capsys, "rows.ndjson") == (
        1,
        [
            f"rows.ndjson:1:1: warning: {NO_NARRATIVE} [invariant]",
            f"rows.ndjson:3:85: error: {VALUE} [structure-type]",
            f"rows.ndjson:4:28: error: {MALFORMED}: Expecting property name enclosed in double quotes [json-malformed]",
            f"rows.ndjson:5:10: error: {MALFORMED}: the property 'a' appears twice in one object [json-malformed]",
            "1 file, 3 errors in 1 file, 1 warning",
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
    (folder / "a" / "ok.json").write_text(BARE)
    (folder / "a" / "b" / "bad.json").write_text(PATIENT)
    (folder / "a" / "rows.ndjson").write_text(f"{OBSERVATION}\n{OBSERVATION}\n")
    code, lines = _validate(capsys, "a")
    assert code == 1
    assert [line.partition(":")[0] for line in lines] == [
        "a/b/bad.json",
        "a/ok.json",
        "a/rows.ndjson",
        "a/rows.ndjson",
        "3 files, 3 errors in 2 files, 1 warning",
    ]


def test_json_is_one_valid_outcome_per_file_in_their_order(folder: Path, capsys: Capture) -> None:
    (folder / "b.json").write_text(PATIENT)
    (folder / "c.ndjson").write_text(f"{OBSERVATION}\n{BARE}\n{OBSERVATION}\n")
    (folder / "a.json").write_text(NARRATED)
    code, lines = _validate(capsys, "b.json", ".", "--format", "json")
    outcomes: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert code == 1
    assert [[issue["diagnostics"] for issue in outcome["issue"]] for outcome in outcomes] == [
        [f"b.json:3:3: {BIRTH_DATE}"],
        ["a.json: no issues were found"],
        [f"c.ndjson:1:85: {VALUE}", f"c.ndjson:2:1: {NO_NARRATIVE}", f"c.ndjson:3:85: {VALUE}"],
    ]
    assert [issue["severity"] for issue in outcomes[2]["issue"]] == ["error", "warning", "error"]
    assert [issue["severity"] for issue in outcomes[1]["issue"]] == ["information"]
    assert outcomes[0]["issue"][0]["expression"] == ["Patient.birthDate"]
    assert outcomes[0]["issue"][0]["details"]["coding"][0]["code"] == "primitive-format"
    schemas = Schemas(load_registry())
    assert [validate_structure(outcome, schemas) for outcome in outcomes] == [[], [], []]


def test_json_of_valid_files_ends_well(folder: Path, capsys: Capture) -> None:
    (folder / "a.json").write_text(BARE)
    code, lines = _validate(capsys, "a.json", "--format", "json")
    assert (code, len(lines)) == (0, 1)
    assert [issue["severity"] for issue in json.loads(lines[0])["issue"]] == ["warning"]


def test_the_examples_have_no_errors(capsys: Capture) -> None:
    code, lines = _validate(capsys, str(data_folder("examples")))
    assert [line for line in lines if ": error: " in line] == []
    assert code == 0
    assert lines[-1].startswith("5 files, no errors, ")
    claimed = [line for line in lines if line.endswith("[profile-unknown]") and ".meta.profile" in line]
    assert claimed == []


def test_the_shipped_definitions_have_no_errors(capsys: Capture) -> None:
    code, lines = _validate(capsys, str(data_folder("profiles")))
    assert [line for line in lines if ": error: " in line] == []
    assert code == 0


INS = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient-ins"
INS_PATIENT = Path(__file__).parents[1] / "conformance" / "patient-ins.json"


@pytest.mark.parametrize(
    ("right", "wrong", "shown"),
    [
        (
            '"value": "280126912300114"',
            '"period": {"start": "2020"}',
            "51:3: error: Patient.identifier:INS-NIR: the required element 'value' is absent [profile-cardinality]",
        ),
        (
            '"valueBoolean": false',
            '"valueString": "no"',
            (
                "47:4: error: Patient.extension[2].valueString: "
                "a profile leaves other types here: valueBoolean [profile-type]"
            ),
        ),
    ],
)
def test_a_patient_that_breaks_the_profile_it_claims_is_refused_where_it_does(
    folder: Path, capsys: Capture, right: str, wrong: str, shown: str
) -> None:
    text = INS_PATIENT.read_text(encoding="utf-8")
    (folder / "right.json").write_text(text, encoding="utf-8")
    code, lines = _validate(capsys, "right.json")
    assert (code, [line for line in lines if ": error: " in line]) == (0, [])
    (folder / "wrong.json").write_text(text.replace(right, wrong, 1), encoding="utf-8")
    code, lines = _validate(capsys, "wrong.json")
    assert (code, [line for line in lines if ": error: " in line]) == (1, [f"wrong.json:{shown}"])


@pytest.mark.parametrize("canonical", [INS, f"{INS}|2.2.0"])
def test_a_profile_that_is_named_is_asked_of_every_resource(folder: Path, capsys: Capture, canonical: str) -> None:
    (folder / "rows.ndjson").write_text(f"{NARRATED}\n{NARRATED}\n")
    assert _validate(capsys, "rows.ndjson") == (0, ["1 file, no errors"])
    code, lines = _validate(capsys, "rows.ndjson", "--profile", canonical)
    absent = [line for line in lines if ": error: Patient.identifier" in line or ": error: Patient: " in line]
    assert code == 1
    assert {line.partition(": ")[0] for line in absent} == {"rows.ndjson:1:1", "rows.ndjson:2:1"}


def test_a_profile_of_another_type_is_refused(folder: Path, capsys: Capture) -> None:
    (folder / "a.json").write_text(NARRATED)
    other = "http://hl7.org/fhir/StructureDefinition/bodyweight"
    code, lines = _validate(capsys, "a.json", "--profile", other)
    message = f"Patient: {other} is a profile of Observation, and this is Patient"
    assert (code, lines[0]) == (1, f"a.json:1:1: error: {message} [profile-resource]")


URL = "https://example.org/StructureDefinition/named"
NAMED: dict[str, Any] = {
    "resourceType": "StructureDefinition",
    "url": URL,
    "version": "1.0.0",
    "name": "Named",
    "status": "draft",
    "kind": "resource",
    "abstract": False,
    "type": "Patient",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
    "derivation": "constraint",
    "differential": {
        "element": [
            {"id": "Patient", "path": "Patient"},
            {"id": "Patient.name", "path": "Patient.name", "min": 1},
            {
                "id": "Patient.maritalStatus",
                "path": "Patient.maritalStatus",
                "binding": {"strength": "required", "valueSet": "https://example.org/ValueSet/status"},
            },
        ]
    },
}
STATUS: dict[str, Any] = {
    "resourceType": "ValueSet",
    "url": "https://example.org/ValueSet/status",
    "status": "draft",
    "compose": {"include": [{"system": "https://example.org/CodeSystem/status"}]},
}
STATUS_CODES: dict[str, Any] = {
    "resourceType": "CodeSystem",
    "url": "https://example.org/CodeSystem/status",
    "status": "draft",
    "content": "complete",
    "concept": [{"code": "alone"}],
}
MARRIED = NARRATED[:-1] + (
    ', "name": [{"family": "x"}],'
    ' "maritalStatus": {"coding": [{"system": "https://example.org/CodeSystem/status", "code": "CODE"}]}}'
)


def _pack(file: Path, **members: object) -> None:
    """Writes a package; `a__b` in a name stands for a file b in a folder a."""
    with tarfile.open(file, "w:gz") as archive:
        for name, content in members.items():
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            member = tarfile.TarInfo(f"{name.replace('__', '/')}.json")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


@pytest.mark.parametrize("canonical", [URL, f"{URL}|1.0.0"])
def test_the_definitions_of_a_package_are_known(folder: Path, capsys: Capture, canonical: str) -> None:
    _pack(
        folder / "p.tgz", package__a=NAMED, package__b=STATUS, package__c=STATUS_CODES, package__package={"name": "x"}
    )
    (folder / "a.json").write_text(NARRATED)
    (folder / "b.json").write_text(MARRIED.replace("CODE", "alone"))
    (folder / "c.json").write_text(MARRIED.replace("CODE", "other"))
    code, lines = _validate(capsys, "a.json", "b.json", "c.json", "--package", "p.tgz", "--profile", canonical)
    errors = [line for line in lines if ": error: " in line]
    assert code == 1
    assert [(line.partition(":")[0], line.rpartition(" ")[2]) for line in errors] == [
        ("a.json", "[profile-cardinality]"),
        ("c.json", "[binding]"),
        ("c.json", "[coding-code]"),
    ]
    assert lines[-1].startswith("3 files, 3 errors in 2 files")


def test_a_package_replaces_what_is_shipped(folder: Path, capsys: Capture) -> None:
    _pack(folder / "p.tgz", package__a={**NAMED, "url": INS, "version": "2.2.0"})
    (folder / "a.json").write_text(NARRATED[:-1] + ', "name": [{"family": "x"}]}')
    assert _validate(capsys, "a.json", "--profile", INS)[0] == 1
    for canonical in (INS, f"{INS}|2.2.0"):
        arguments = ("a.json", "--package", "p.tgz", "--profile", canonical)
        assert _validate(capsys, *arguments) == (0, ["1 file, no errors"])


def test_of_two_packages_with_one_canonical_the_first_counts(folder: Path, capsys: Capture) -> None:
    loose = copy.deepcopy(NAMED)
    loose["differential"]["element"] = [{"id": "Patient", "path": "Patient"}]
    _pack(folder / "strict.tgz", package__a=NAMED)
    _pack(folder / "loose.tgz", package__a=loose)
    (folder / "a.json").write_text(NARRATED)
    both = [["--package", name] for name in ("strict.tgz", "loose.tgz")]
    assert _validate(capsys, "a.json", *both[0], *both[1], "--profile", URL)[0] == 1
    assert _validate(capsys, "a.json", *both[1], *both[0], "--profile", URL)[0] == 0


def test_what_is_not_directly_in_the_folder_package_is_not_read(folder: Path, capsys: Capture) -> None:
    broken = b"{ no JSON"
    _pack(folder / "p.tgz", package__a=NAMED, package__example__b=broken, other__c=broken, **{"..__d": broken})
    (folder / "a.json").write_text(MARRIED.replace("CODE", "x"))
    assert _validate(capsys, "a.json", "--package", "p.tgz", "--profile", URL)[0] == 0


def _fail(capsys: Capture, *arguments: str) -> tuple[int, str]:
    """The exit code and the one line of a command that ends before it checks anything."""
    code = run(["validate", *arguments])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return code, captured.err.rstrip("\n")


def test_a_profile_that_is_not_known_is_one_line_and_exit_code_three(folder: Path, capsys: Capture) -> None:
    (folder / "a.json").write_text(NARRATED)
    for canonical in (URL, f"{INS}|0.1"):
        expected = f"fhir-dmp: the profile {canonical} is not known: --package adds definitions"
        assert _fail(capsys, "a.json", "--profile", canonical) == (3, expected)


def test_a_profile_whose_base_is_not_known_is_one_line_and_exit_code_three(folder: Path, capsys: Capture) -> None:
    _pack(folder / "p.tgz", package__a={**NAMED, "baseDefinition": "https://example.org/StructureDefinition/absent"})
    (folder / "a.json").write_text(NARRATED)
    code, line = _fail(capsys, "a.json", "--package", "p.tgz", "--profile", URL)
    assert code == 3
    assert line.startswith(f"fhir-dmp: the profile {URL} cannot be used: ")


def test_a_definition_that_is_not_valid_is_left_out_and_named(folder: Path, capsys: Capture) -> None:
    _pack(folder / "p.tgz", package__a={**NAMED, "type": 1}, package__b={**STATUS, "compose": []})
    (folder / "a.json").write_text(NARRATED[:-1] + f', "meta": {{"profile": ["{URL}"]}}}}')
    assert run(["validate", "a.json", "--package", "p.tgz"]) == 0
    captured = capsys.readouterr()
    reason = "p.tgz: package/a.json is not valid: StructureDefinition.type: expected a string (uri), found the number 1"
    assert captured.err == f"fhir-dmp: left out: {reason}\n"
    assert "[profile-unknown]" in captured.out
    code, line = _fail(capsys, "a.json", "--package", "p.tgz", "--profile", URL)
    assert (code, line) == (3, f"fhir-dmp: the profile {URL} is not known: {reason}")


def _truncate(file: Path) -> None:
    _pack(file, package__a=NAMED, package__b={**STATUS, "description": "".join(map(str, range(5000)))})
    file.write_bytes(file.read_bytes()[:1000])


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda file: file.write_bytes(b""), "empty file"),
        (lambda file: file.write_bytes(b"PK\x03\x04 no gzip"), "Not a gzipped file (b'PK')"),
        (_truncate, ""),
        (_pack, "there is no definition in a folder package/"),
        (lambda file: _pack(file, package__package={"name": "x"}), "there is no definition in a folder package/"),
        (lambda file: _pack(file, package__a=b"{"), "package/a.json is not JSON: "),
    ],
)
def test_a_broken_archive_is_one_line_and_exit_code_three(
    folder: Path, capsys: Capture, write: Callable[[Path], object], reason: str
) -> None:
    write(folder / "p.tgz")
    (folder / "a.json").write_text(NARRATED)
    code, line = _fail(capsys, "a.json", "--package", "p.tgz")
    assert code == 3
    assert line.startswith(f"fhir-dmp: p.tgz cannot be used as a FHIR package: {reason}")


def test_an_archive_that_is_not_there_is_usage(folder: Path, capsys: Capture) -> None:
    (folder / "a.json").write_text(NARRATED)
    assert _fail(capsys, "a.json", "--package", "absent.tgz")[0] == 2


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
