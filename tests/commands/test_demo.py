"""The demo records are loaded once, in their order; an error in one stops nothing; the lines to paste work."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from string import Template
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from fhir_dmp.commands.connection import Target
from fhir_dmp.commands.demo import build_lines, load_demo, tell_when_ready
from fhir_dmp.loader import data_folder
from fhir_dmp.seed import SeededRecord, seed_records
from fhir_dmp.settings import Settings
from tests.commands.conftest import RunningServer
from tests.rest.server import GUARDED

Capture = pytest.CaptureFixture[str]
SECONDS = 120


def _write(folder: Path, name: str, *resources: dict[str, Any]) -> None:
    entries = []
    for resource in resources:
        (identifier,) = resource["identifier"]
        criteria = f"identifier={identifier['system']}|{identifier['value']}"
        request = {"method": "POST", "url": resource["resourceType"], "ifNoneExist": criteria}
        entries.append({"resource": resource, "request": request})
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}))


def _patient(value: str, **members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "identifier": [{"system": "urn:demo", "value": value}], **members}


def _seed(settings: Settings, folder: Path) -> tuple[list[SeededRecord], dict[str, str]]:
    told: list[SeededRecord] = []
    return told, seed_records(settings, folder, told.append)


def test_records_come_in_the_order_of_their_names_and_once(
    tmp_path: Path, settings: Settings, mongodb_client: MongoClient[dict[str, Any]]
) -> None:
    folder = tmp_path / "records"
    _write(folder, "20-b.json", _patient("b"), _patient("c"))
    _write(folder, "10-a.json", _patient("a"))
    told, first = _seed(settings, folder)
    assert told == [SeededRecord("10-a.json", 1, ""), SeededRecord("20-b.json", 2, "")]
    _write(folder, "30-c.json", _patient("d"))
    told, second = _seed(settings, folder)
    assert told == [SeededRecord("30-c.json", 1, "")]
    assert {name: second[name] for name in first} == first
    assert len(set(second.values())) == 3
    assert mongodb_client[settings.database]["resource"].count_documents({}) == 4
    assert mongodb_client[settings.database]["history"].count_documents({}) == 0


def test_a_record_that_is_refused_is_told_and_the_others_are_loaded(
    tmp_path: Path, settings: Settings, capsys: Capture
) -> None:
    folder = tmp_path / "records"
    _write(folder, "10-somme.json", _patient("a", birthDate="19"))
    _write(folder, "20-b.json", _patient("b"))
    assert load_demo(settings, folder) == ""
    captured = capsys.readouterr()
    assert captured.err.startswith("fhir-dmp: the demo record 10-somme.json is refused: ")
    assert "'19' is not a date" in captured.err
    assert captured.out == "demo: 20-b.json loaded (1 resources)\n"


def _run(lines: list[str]) -> list[tuple[str, str, dict[str, Any]]]:
    """Does what a shell does with the lines: variables, and curl; returns each URL with its variable and answer."""
    known: dict[str, str] = {}
    answers = []
    for line in lines:
        if found := re.fullmatch(r"  ([A-Z]+)=(\S+)", line):
            known[found[1]] = found[2]
        if line.startswith("  curl "):
            words = shlex.split(Template(line).substitute(known))
            header = words[words.index("-H") + 1].split(": ") if "-H" in words else []
            answer = httpx.get(words[-1], headers=[(header[0], header[1])] if header else [], trust_env=False)
            assert (words[-1], answer.status_code) == (words[-1], 200)
            variable = re.search(r"Bearer \$([A-Z]+)", line)
            answers.append((variable[1] if variable else "", words[-1], answer.json()))
    return answers


def test_every_record_is_loaded_and_the_lines_to_paste_work(settings: Settings, capsys: Capture) -> None:
    names = sorted(file.name for file in data_folder("examples").glob("*.json"))
    server = RunningServer.of(settings, GUARDED)
    patient = load_demo(replace(settings, base_url=server.base_url))
    captured = capsys.readouterr()
    assert captured.err == ""
    assert re.findall(r"^demo: (\S+) loaded \(\d+ resources\)$", captured.out, re.MULTILINE) == names
    assert load_demo(replace(settings, base_url=server.base_url)) == patient
    assert capsys.readouterr() == ("", "")
    with server.running():
        tell_when_ready(Target(server.base_url), patient, server.base_url).join(SECONDS)
        answers = _run(capsys.readouterr().out.splitlines())
    shown = {(who, url.partition("?")[0].rpartition("/")[2]): body.get("total", 0) for who, url, body in answers}
    assert shown["MEDECIN", "DocumentReference"] == shown["PATIENT", "DocumentReference"] == 9
    assert shown["INCONNU", "DocumentReference"] == 0
    assert 0 < shown["REGULATEUR", "DocumentReference"] < 9
    assert shown["PATIENT", "AuditEvent"] > 0
    assert ("", "metadata") in shown


def test_without_tokens_the_lines_need_none(server: RunningServer) -> None:
    lines = "\n".join(build_lines(server.base_url, "1", "")).splitlines()
    assert not any("Bearer" in line for line in lines)
    assert len(_run(lines)) == 3


def test_an_empty_server_has_something_to_paste_too(server: RunningServer) -> None:
    lines = "\n".join(build_lines(server.base_url, "", server.base_url)).splitlines()
    assert len(_run(lines)) == 2
