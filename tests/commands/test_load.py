"""`fhir-dmp load` into a real server: every form of file, what is refused and why, resuming."""

from __future__ import annotations

import json
import re
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from fhir_dmp.cli import run
from fhir_dmp.settings import Settings
from tests.commands.conftest import Load, RunningServer
from tests.rest.server import GUARDED, OPEN

Capture = pytest.CaptureFixture[str]
BIRTH_DATE = "Patient.birthDate: '19' is not a date: expected YYYY, YYYY-MM or YYYY-MM-DD"
A, B = "urn:uuid:0d9d4a9c-6d3b-4b5e-8c53-000000000001", "urn:uuid:0d9d4a9c-6d3b-4b5e-8c53-000000000002"


def _patient(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **members}


def _observation(subject: str, **members: Any) -> dict[str, Any]:
    code = {"text": "weight"}
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": code,
        "subject": {"reference": subject},
        **members,
    }


def _encounter(subject: str) -> dict[str, Any]:
    visit = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
    return {"resourceType": "Encounter", "status": "finished", "class": visit, "subject": {"reference": subject}}


def _create(full_url: str, resource: dict[str, Any], **request: str) -> dict[str, Any]:
    return {
        "fullUrl": full_url,
        "resource": resource,
        "request": {"method": "POST", "url": resource["resourceType"], **request},
    }


def _bundle(kind: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def _write(file: Path, *rows: object, indent: int | None = None) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(json.dumps(row, indent=indent) for row in rows))
    return file


def _counts(capsys: Capture) -> dict[str, int]:
    """What the report counts, and how many were skipped; the rest of the output is dropped."""
    out = capsys.readouterr().out.splitlines()
    line = next(line for line in out if " created, " in line)
    counts = {name: int(number.replace(",", "")) for number, name in re.findall(r"(\d[\d,]*) (\w+)", line)}
    skipped = [line for line in out if "loaded before and skipped" in line]
    return {**counts, "skipped": int(skipped[0].split()[0].replace(",", "")) if skipped else 0}


def test_resources_keep_their_ids_and_references(server: RunningServer, load: Load, tmp_path: Path) -> None:
    _write(tmp_path / "in" / "a.json", _patient(id="p", birthDate="1970-01-01"), indent=1)
    _write(tmp_path / "in" / "b.json", _observation("Patient/p", id="o"))
    assert load(tmp_path / "in") == 0
    assert server.get("Patient/p")["birthDate"] == "1970-01-01"
    assert server.get("Observation?patient=p")["entry"][0]["resource"]["id"] == "o"


def test_loading_again_with_restart_updates(server: RunningServer, load: Load, tmp_path: Path, capsys: Capture) -> None:
    file = _write(tmp_path / "rows.ndjson", _patient(id="p"), _patient(active=True), _patient(active=True))
    assert load(file) == 0
    assert _counts(capsys) == {"created": 3, "updated": 0, "unchanged": 0, "refused": 0, "skipped": 0}
    assert load(file, "--restart") == 0
    assert _counts(capsys) == {"created": 0, "updated": 3, "unchanged": 0, "refused": 0, "skipped": 0}
    assert server.total("Patient") == 3


def test_loading_again_skips_what_was_acknowledged(
    server: RunningServer, load: Load, tmp_path: Path, capsys: Capture
) -> None:
    file = _write(tmp_path / "rows.ndjson", *(_patient(id=f"p{number}") for number in range(250)))
    load(file)
    with file.open("a") as more:
        more.write("\n" + json.dumps(_patient(id="more")))
    capsys.readouterr()
    assert load(file) == 0
    assert _counts(capsys) == {"created": 1, "updated": 0, "unchanged": 0, "refused": 0, "skipped": 250}
    assert server.total("Patient") == 251
    assert server.get("Patient/p7/_history")["total"] == 1


def test_a_server_that_lost_its_data_gets_it_again(
    server: RunningServer, load: Load, tmp_path: Path, capsys: Capture, mongodb_client: MongoClient[dict[str, Any]]
) -> None:
    file = _write(tmp_path / "rows.ndjson", _patient(id="p"), _patient(id="q"))
    load(file)
    capsys.readouterr()
    mongodb_client[server.database]["resource"].delete_many({})
    assert load(file) == 0
    captured = capsys.readouterr()
    assert captured.err == "fhir-dmp: the server no longer has what was loaded before: starting over\n"
    assert captured.out == "2 created, 0 updated, 0 unchanged, 0 refused\n"


def test_a_transaction_resolves_its_references_and_is_stored_once(
    server: RunningServer, load: Load, tmp_path: Path
) -> None:
    entries = [_create(A, _patient(id="ignored")), _create(B, _observation(A))]
    file = _write(tmp_path / "t.json", _bundle("transaction", *entries), indent=2)
    assert load(file) == 0
    assert load(file, "--restart") == 0
    (observation,) = server.get("Observation")["entry"]
    (patient,) = server.get("Patient")["entry"]
    assert observation["resource"]["subject"]["reference"] == f"Patient/{patient['resource']['id']}"
    assert patient["resource"]["id"] != "ignored"


def test_what_a_bundle_finds_already_there_is_unchanged(load: Load, tmp_path: Path, capsys: Capture) -> None:
    patient = _patient(identifier=[{"system": "urn:s", "value": "1"}])
    bundle = _bundle("transaction", _create(A, patient, ifNoneExist="identifier=urn:s|1"))
    load(_write(tmp_path / "a.json", bundle))
    assert load(_write(tmp_path / "b.json", bundle)) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1 created, 0 updated, 0 unchanged, 0 refused",
        "0 created, 0 updated, 1 unchanged, 0 refused",
    ]


def test_a_batch_tells_what_became_of_each_entry(
    server: RunningServer, load: Load, tmp_path: Path, capsys: Capture
) -> None:
    load(_write(tmp_path / "old.json", _patient(id="old")))
    capsys.readouterr()
    wrong = _patient(id="w", birthDate="19")
    entries = [
        _create(A, _patient()),
        {"fullUrl": B, "resource": wrong, "request": {"method": "PUT", "url": "Patient/w"}},
        {"request": {"method": "DELETE", "url": "Patient/old"}},
        {"request": {"method": "GET", "url": "Patient?active=true"}},
    ]
    file = _write(tmp_path / "b.json", _bundle("batch", *entries), indent=1)
    assert load(file) == 1
    first, counts = capsys.readouterr().out.splitlines()
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if "birthDate" in text)
    assert first.startswith(f"{file}:{line}:5: error: Bundle.entry[1].resource.birthDate: '19' is not a date")
    assert counts == "1 created, 0 updated, 0 unchanged, 1 deleted, 1 read, 1 refused"
    assert server.total("Patient") == 1


@pytest.mark.parametrize("kind", ["collection", "searchset"])
def test_a_collection_is_loaded_as_its_resources(
    server: RunningServer, load: Load, tmp_path: Path, capsys: Capture, kind: str
) -> None:
    entries = [{"fullUrl": A, "resource": _patient()}, {"fullUrl": B, "resource": _observation(A)}]
    many = [{"resource": _patient(id=f"p{number}")} for number in range(150)]
    linked = _write(tmp_path / "linked.json", _bundle(kind, *entries))
    loose = _write(tmp_path / "loose.json", _bundle(kind, *many))
    assert load(linked, loose) == 0
    assert _counts(capsys)["created"] == 152
    (observation,) = server.get("Observation")["entry"]
    assert server.get(observation["resource"]["subject"]["reference"])["resourceType"] == "Patient"


def test_a_document_is_stored_as_a_bundle(server: RunningServer, load: Load, tmp_path: Path) -> None:
    composition = {
        "resourceType": "Composition",
        "status": "final",
        "type": {"text": "t"},
        "date": "2026-01-01",
        "author": [{"reference": B}],
        "title": "t",
    }
    author = {"resourceType": "Practitioner", "id": "1"}
    document = {
        **_bundle("document", {"fullUrl": A, "resource": composition}, {"fullUrl": B, "resource": author}),
        "id": "d",
        "identifier": {"system": "urn:s", "value": "d"},
        "timestamp": "2026-01-01T00:00:00Z",
    }
    assert load(_write(tmp_path / "d.json", document)) == 0
    assert server.get("Bundle/d")["type"] == "document"


def test_bundles_may_come_before_what_they_refer_to(
    server: RunningServer, load: Load, tmp_path: Path, capsys: Capture
) -> None:
    by_criteria = _observation("Patient?identifier=urn:s|z")
    nobody = _observation("Patient?identifier=urn:s|nobody")
    person = _patient(identifier=[{"system": "urn:s", "value": "z"}])
    _write(tmp_path / "in" / "a.json", _bundle("transaction", _create(A, by_criteria)))
    _write(tmp_path / "in" / "b.json", _bundle("transaction", _create(A, nobody)))
    _write(tmp_path / "in" / "z.json", _bundle("transaction", _create(A, person)))
    assert load(tmp_path / "in") == 1
    first, counts = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{tmp_path}/in/b.json:1:")
    assert first.endswith("[reference-conditional]")
    assert counts == "2 created, 0 updated, 0 unchanged, 1 refused"
    assert server.total("Observation") == 1


def test_what_is_refused_is_told_with_place_element_and_reason(
    server: RunningServer, load: Load, tmp_path: Path, capsys: Capture
) -> None:
    rows = [_patient(id=f"p{number}") for number in range(300)]
    rows[56] = _patient(id="bad", birthDate="19")
    rows[210] = _patient(id="worse", frob=1)
    file = _write(tmp_path / "rows.ndjson", *rows, "{")
    assert load(file) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{file}:57:42: error: {BIRTH_DATE} [primitive-format]",
        f"{file}:211:44: error: Patient.frob: unknown property 'frob' (Patient) [structure-unknown-property]",
        f"{file}:301:1: error: not acceptable JSON: the body is not a JSON object [json-malformed]",
        "298 created, 0 updated, 0 unchanged, 3 refused",
    ]
    assert server.total("Patient") == 298


def test_what_is_refused_goes_into_a_file_with_its_issues(load: Load, tmp_path: Path, capsys: Capture) -> None:
    rows = _write(tmp_path / "in" / "rows.ndjson", _patient(id="p"), _patient(id="bad", birthDate="19"), "{")
    wrong = _create(B, _observation(A, valueQuantity={"value": "3"}))
    lone = _write(tmp_path / "in" / "t.json", _bundle("transaction", _create(A, _patient()), wrong))
    file = tmp_path / "refused.ndjson"
    file.write_text("of an earlier run\n")
    assert load(tmp_path / "in", "--refused", file) == 1
    assert capsys.readouterr().out.splitlines() == [
        "1 created, 0 updated, 0 unchanged, 4 refused",
        f"what was refused is in {file}, with the reasons",
    ]
    assert file.stat().st_mode & 0o777 == 0o600
    found = [json.loads(line) for line in file.read_text().splitlines()]
    places = {(row["file"], row["line"], row["at"]): row for row in found}
    assert len(found) == len(places) == 4
    bad = places[str(rows), 2, "Patient"]
    assert bad["resource"] == _patient(id="bad", birthDate="19")
    (issue,) = bad["outcome"]["issue"]
    assert (issue["expression"], issue["details"]["coding"][0]["code"]) == (["Patient.birthDate"], "primitive-format")
    assert places[str(rows), 3, ""]["text"] == '"{"'
    together, faulty = (places[str(lone), 1, f"Bundle.entry[{number}].resource"] for number in range(2))
    assert "together" in together["outcome"]["issue"][0]["details"]["text"]
    assert faulty["outcome"]["issue"][0]["expression"] == ["Bundle.entry[1].resource.value.value"]
    assert faulty["outcome"]["resourceType"] == "OperationOutcome"
    _write(rows, _patient(id="p"), _patient(id="bad"))
    lone.unlink()
    assert load(tmp_path / "in", "--refused", file) == 0
    assert file.read_text() == ""


def test_the_file_of_the_refused_is_none_of_what_is_loaded(server: RunningServer, load: Load, tmp_path: Path) -> None:
    rows = _write(tmp_path / "in" / "rows.ndjson", _patient())
    for file in (rows, tmp_path / "in" / "new.ndjson"):
        assert load(tmp_path / "in", "--refused", file) == 2
    assert load(rows, "--refused", tmp_path / "nowhere" / "file") == 3
    assert json.loads(rows.read_text()) == _patient()
    assert server.total("Patient") == 0


def test_what_was_refused_is_tried_again_and_nothing_else(
    server: RunningServer, load: Load, tmp_path: Path, capsys: Capture
) -> None:
    rows = [_patient(), _patient(birthDate="19"), _patient()]
    file = _write(tmp_path / "rows.ndjson", *rows)
    load(file)
    rows[1] = _patient(birthDate="1970")
    _write(file, *rows)
    capsys.readouterr()
    assert load(file) == 0
    assert _counts(capsys) == {"created": 1, "updated": 0, "unchanged": 0, "refused": 0, "skipped": 2}
    assert server.total("Patient") == 3


def test_a_transaction_is_refused_whole_and_the_fault_is_found_in_its_file(
    server: RunningServer, load: Load, tmp_path: Path, capsys: Capture
) -> None:
    wrong = _observation(A, valueQuantity={"value": "3"})
    file = _write(tmp_path / "t.json", _bundle("transaction", _create(A, _patient()), _create(B, wrong)), indent=1)
    assert load(file) == 1
    first, counts = capsys.readouterr().out.splitlines()
    lines = file.read_text().splitlines()
    line = 1 + max(number for number, text in enumerate(lines) if '"value": "3"' in text)
    column = 1 + lines[line - 1].index('"value"')
    assert first == (
        f"{file}:{line}:{column}: error: Bundle.entry[1].resource.value.value: "
        "expected a number (decimal), found the string '3' [structure-type]"
    )
    assert counts == "0 created, 0 updated, 0 unchanged, 2 refused"
    assert server.total("Patient") == 0


def test_the_last_of_two_lines_about_one_resource_wins(server: RunningServer, load: Load, tmp_path: Path) -> None:
    rows = [_patient(id=f"p{number % 7}", active=number >= 93) for number in range(100)]
    assert load(_write(tmp_path / "rows.ndjson", *rows)) == 0
    assert server.total("Patient?active=true") == 7
    assert server.get("Patient/p1/_history")["total"] == 15


def test_a_server_that_assigns_ids_gets_creations(settings: Settings, tmp_path: Path, capsys: Capture) -> None:
    """A hospital's system feeds, with its token, and chooses no ids."""
    server = RunningServer.of(settings, OPEN)
    with server.running():
        httpx.put(
            f"{server.base_url}/Patient/p", json=_patient(id="p", active=True), trust_env=False
        ).raise_for_status()
    observation = _observation("Patient/p", encounter={"reference": A})
    bundle = _bundle("transaction", _create(A, _encounter("Patient/p")), _create(B, observation))
    _write(tmp_path / "in" / "t.json", bundle)
    _write(tmp_path / "in" / "rows.ndjson", _observation("Patient/p"), _observation("Patient/p", id="mine"))
    guarded = RunningServer.of(settings, GUARDED)
    with guarded.running():
        assert run(["load", str(tmp_path / "in"), "--url", guarded.base_url]) == 3
        assert "needs a bearer token: give it with --token, or in FHIR_DMP_TOKEN" in capsys.readouterr().err
        command = ["token", "system", "--client", "chu", "--organization", "990000028", "--url", guarded.base_url]
        assert run(command) == 0
        token = capsys.readouterr().out.strip()
        assert run(["load", str(tmp_path / "in"), "--url", guarded.base_url, "--token", token]) == 1
    first, counts = capsys.readouterr().out.splitlines()
    assert first.endswith("[id-assigned-by-server]")
    assert first.startswith(f"{tmp_path}/in/rows.ndjson:2:1: error: Observation: ")
    assert counts == "3 created, 0 updated, 0 unchanged, 1 refused"
    with server.running():
        assert server.total("Observation?patient=p") == 2


def test_what_is_too_large_at_once_is_sent_in_halves(
    mongodb_uri: str, tmp_path: Path, capsys: Capture, mongodb_client: MongoClient[dict[str, Any]]
) -> None:
    server = RunningServer(mongodb_uri, MAX_BODY="20000")
    server.start()
    rows = [_patient(id=f"p{number}", name=[{"text": "x" * 1000}]) for number in range(60)]
    rows[30]["name"][0]["text"] = "x" * 20_000
    file = _write(tmp_path / "rows.ndjson", *rows)
    try:
        code = run(["load", str(file), "--url", server.base_url])
        total = server.total("Patient")
    finally:
        server.stop()
        mongodb_client.drop_database(server.database)
    first, counts = capsys.readouterr().out.splitlines()
    assert (code, total) == (1, 59)
    assert first.startswith(f"{file}:31:1: error: Patient: The body is larger than this server takes")
    assert counts == "59 created, 0 updated, 0 unchanged, 1 refused"


def test_a_server_that_restarts_meanwhile_is_waited_for(
    server: RunningServer, load: Load, tmp_path: Path, capsys: Capture
) -> None:
    file = _write(tmp_path / "rows.ndjson", *(_patient(id=f"p{number}") for number in range(3000)))
    # a load takes over signals, which is for the main thread only
    restart = threading.Thread(target=_restart_after, args=(server, 200))
    restart.start()
    code = load(file)
    restart.join()
    assert code == 0
    counts = _counts(capsys)
    assert counts["created"] + counts["updated"] == 3000
    assert server.total("Patient") == 3000


def _restart_after(server: RunningServer, resources: int) -> None:
    while server.total("Patient") < resources:
        time.sleep(0.01)
    server.stop()
    time.sleep(0.3)
    server.start()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:9/fhir", "does not answer"),
        ("http://no-such-host.invalid/fhir", "does not answer"),
    ],
)
def test_a_server_that_is_not_there_is_told_in_one_line(tmp_path: Path, capsys: Capture, url: str, reason: str) -> None:
    file = _write(tmp_path / "a.json", _patient(id="p"))
    assert run(["load", str(file), "--url", url]) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"fhir-dmp: {url} {reason} (")
    assert captured.err.endswith(": is it running (fhir-dmp serve)?\n")
    assert captured.err.count("\n") == 1


def test_an_address_that_is_no_fhir_base_is_told(server: RunningServer, tmp_path: Path, capsys: Capture) -> None:
    file = _write(tmp_path / "a.json", _patient(id="p"))
    root = server.base_url.removesuffix("/fhir")
    assert run(["load", str(file), "--url", f"{root}/health"]) == 3
    assert capsys.readouterr().err == (
        f"fhir-dmp: {root}/health is not the base of a FHIR server: the server answers 404 Not Found\n"
    )


def test_no_bar_is_drawn_where_nobody_watches(load: Load, tmp_path: Path, capsys: Capture) -> None:
    assert load(_write(tmp_path / "a.json", _patient(id="p"))) == 0
    assert capsys.readouterr().err == ""
