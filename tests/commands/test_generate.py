"""`fhir-dmp generate`: into files, as transactions, into a real server; what is asked for wrongly."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from fhir_dmp.cli import run
from fhir_dmp.commands.connection import Connection, parse_target
from fhir_dmp.commands.generate import load_tables, plan_records
from fhir_dmp.generation.links import Links
from fhir_dmp.generation.records import generate
from fhir_dmp.generation.transaction import build_requests
from fhir_dmp.json_text import write_json
from tests.commands.conftest import Load, RunningServer

Capture = pytest.CaptureFixture[str]
FIXED = ("--until", "2026-11-22", "--seed", "9")


def _generate(patients: int, *arguments: Path | str) -> int:
    return run(["generate", "--patients", str(patients), *FIXED, *map(str, arguments)])


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def _lines(folder: Path, name: str) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (folder / f"{name}.ndjson").read_bytes().splitlines()]


def test_each_type_has_a_file_of_its_resources(tmp_path: Path, capsys: Capture) -> None:
    assert _generate(6, "--out", tmp_path / "out") == 0
    files = sorted((tmp_path / "out").iterdir())
    for file in files:
        assert {row["resourceType"] for row in _lines(tmp_path / "out", file.stem)} == {file.stem}
    total = sum(len(_lines(tmp_path / "out", file.stem)) for file in files)
    assert len(_lines(tmp_path / "out", "Patient")) == 6
    assert capsys.readouterr().out.startswith(f"6 patients: {total:,} resources of {len(files)} types in ")


def test_same_arguments_write_the_same_bytes(tmp_path: Path) -> None:
    for name, more in (("a", ()), ("b", ()), ("c", ("--bundles",)), ("d", ("--bundles",))):
        assert _generate(4, "--out", tmp_path / name, *more) == 0
    a, b, c, d = (_contents(tmp_path / name) for name in "abcd")
    assert a == b != c == d


def test_last_day_and_years_bound_the_care(tmp_path: Path) -> None:
    arguments = ("--patients", "8", "--until", "2024-03-01", "--years", "1", "--out", str(tmp_path))
    assert run(["generate", *arguments]) == 0
    starts = [encounter["period"]["start"][:10] for encounter in _lines(tmp_path, "Encounter")]
    assert "2023-03-01" <= min(starts) <= max(starts) <= "2024-03-01"


def test_transactions_come_in_the_order_to_load_them(tmp_path: Path) -> None:
    assert _generate(3, "--out", tmp_path, "--bundles") == 0
    names = sorted(_contents(tmp_path))
    assert names[0] == "0000/0000000-directory.json"
    assert sum(name.endswith("-patient.json") for name in names) == 3
    for name in names:
        bundle = orjson.loads((tmp_path / name).read_bytes())
        assert bundle["type"] == "transaction"
        for entry in bundle["entry"]:
            resource = entry["resource"]
            assert entry["fullUrl"] == f"urn:uuid:{resource['id']}"
            assert entry["request"] == {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "--out DIR or --load, one of them"),
        (("--load", "--out", "x"), "--out DIR or --load, one of them"),
        (("--load", "--url", "ftp://x"), "--url takes"),
        (("--until", "yesterday", "--out", "x"), "--until takes a date"),
        (("--until", "1950-01-01", "--out", "x"), "--until takes a date from 2000-01-01"),
        (("--patients", "0", "--out", "x"), "--patients"),
    ],
)
def test_wrong_use_is_one_line(
    arguments: tuple[str, ...], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["generate", "--patients", "1", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert reason in err
    assert list(tmp_path.glob("x/*")) == []


def test_folder_with_something_in_it_is_left_alone(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert _generate(1, "--out", tmp_path) == 2
    assert _contents(tmp_path) == {"mine.txt": b"mine"}
    assert "is not empty" in capsys.readouterr().err


def test_folder_that_cannot_be_made_is_the_environments_fault(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_text("")
    assert _generate(1, "--out", tmp_path / "file" / "below") == 3
    assert "cannot be written" in capsys.readouterr().err


def test_records_are_in_the_server_once_however_often_they_are_sent(server: RunningServer, capsys: Capture) -> None:
    assert _generate(4, "--load", "--url", server.base_url) == 0
    first = capsys.readouterr().out
    assert "0 refused" in first
    assert server.total("Patient") == 4
    counts = {kind: server.total(kind) for kind in ("Practitioner", "Observation", "DocumentReference", "Encounter")}
    assert all(counts.values())
    assert _generate(4, "--load", "--url", server.base_url) == 0
    assert {kind: server.total(kind) for kind in counts} == counts
    assert server.total("Patient") == 4


def test_loaded_references_lead_somewhere(server: RunningServer) -> None:
    assert _generate(3, "--load", "--url", server.base_url) == 0
    found = server.get("Observation?category=laboratory&_count=1")["entry"][0]["resource"]
    references = [found["subject"], *found["performer"]]
    assert len(references) == 3
    for kind, chosen in (reference["reference"].split("/") for reference in references):
        assert server.get(f"{kind}/{chosen}")["id"] == chosen


def test_plain_form_creates_records_with_the_ids_of_the_server(server: RunningServer) -> None:
    plan = plan_records(2, 9, "2026-11-22", 1, Links.IN_BUNDLE)
    for batch in (*generate(plan, load_tables(), Random), *generate(plan, load_tables(), Random)):
        entries = [requested.plain for requested in build_requests(batch)]
        bundle = write_json({"resourceType": "Bundle", "type": "transaction", "entry": entries})
        with Connection(parse_target(server.base_url)) as connection:
            assert connection.post(bundle).is_success
    assert server.total("Patient") == 4, "a creation is one each time"
    names = [row["resource"]["name"] for row in server.get("Organization?_count=200")["entry"]]
    assert len(names) == len(set(names)), "the directory is created on condition"


def test_transactions_in_files_can_be_loaded(tmp_path: Path, server: RunningServer, load: Load) -> None:
    assert _generate(2, "--out", tmp_path / "out", "--bundles") == 0
    assert load(tmp_path / "out") == 0
    assert server.total("Patient") == 2


def test_files_of_each_type_can_be_loaded(tmp_path: Path, server: RunningServer, load: Load) -> None:
    assert _generate(2, "--out", tmp_path / "out") == 0
    assert load(tmp_path / "out") == 0
    assert server.total("Patient") == 2
    assert server.total("PractitionerRole") > 20


def test_server_that_is_away_is_the_environments_fault(capsys: Capture) -> None:
    assert _generate(1, "--load", "--url", "http://127.0.0.1:9/fhir") == 3
    assert "is it running" in capsys.readouterr().err
