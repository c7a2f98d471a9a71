"""The demo records are loaded once, in their order, and an error in one of them stops nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_dmp.commands.connection import Connection, Target
from fhir_dmp.commands.demo import DemoRecord, first_queries, load_demo, load_demo_when_ready
from fhir_dmp.loader import data_folder
from tests.commands.conftest import RunningServer

Capture = pytest.CaptureFixture[str]
SECONDS = 120


@pytest.fixture
def connection(server: RunningServer) -> Iterator[Connection]:
    with Connection(Target(server.base_url)) as opened:
        yield opened


def _write(folder: Path, name: str, *resources: dict[str, Any]) -> None:
    entries = []
    for resource in resources:
        (identifier,) = resource["identifier"]
        criteria = f"identifier={identifier['system']}|{identifier['value']}"
        request = {"method": "POST", "url": resource["resourceType"], "ifNoneExist": criteria}
        entries.append({"resource": resource, "request": request})
    (folder / name).write_text(json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}))


def _patient(value: str, **members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "identifier": [{"system": "urn:demo", "value": value}], **members}


def test_records_come_in_the_order_of_their_names_and_once(
    tmp_path: Path, server: RunningServer, connection: Connection
) -> None:
    _write(tmp_path, "20-b.json", _patient("b"), _patient("c"))
    _write(tmp_path, "10-a.json", _patient("a"))
    assert list(load_demo(connection, tmp_path)) == [DemoRecord("10-a.json", 1, ""), DemoRecord("20-b.json", 2, "")]
    assert list(load_demo(connection, tmp_path)) == []
    _write(tmp_path, "30-c.json", _patient("d"))
    assert list(load_demo(connection, tmp_path)) == [DemoRecord("30-c.json", 1, "")]
    assert server.total("Patient") == 4
    assert server.get("Patient/_history")["total"] == 4


def test_a_record_that_is_refused_is_told_and_the_others_are_loaded(
    tmp_path: Path, server: RunningServer, connection: Connection
) -> None:
    _write(tmp_path, "10-a.json", _patient("a", birthDate="19"))
    _write(tmp_path, "20-b.json", _patient("b"))
    first, second = load_demo(connection, tmp_path)
    assert first.refusal.startswith("Patient.birthDate: '19' is not a date")
    assert second == DemoRecord("20-b.json", 1, "")
    assert server.total("Patient") == 1


def test_the_demo_loads_every_record_and_a_second_start_none(server: RunningServer, capsys: Capture) -> None:
    names = sorted(file.name for file in data_folder("examples").glob("*.json"))
    load_demo_when_ready(Target(server.base_url)).join(SECONDS)
    captured = capsys.readouterr()
    assert captured.err == ""
    assert re.findall(r"^demo: (\S+) loaded \(\d+ resources\)$", captured.out, re.MULTILINE) == names
    load_demo_when_ready(Target(server.base_url)).join(SECONDS)
    captured = capsys.readouterr()
    assert (captured.err, captured.out.count("loaded")) == ("", 0)
    assert captured.out.startswith("\nTry:\n")


def test_the_lines_to_paste_work(server: RunningServer, capsys: Capture) -> None:
    load_demo_when_ready(Target(server.base_url)).join(SECONDS)
    urls = re.findall(r"^  curl '([^']+)'$", capsys.readouterr().out, re.MULTILINE)
    assert len(urls) >= 4
    for url in urls:
        answer = httpx.get(url, trust_env=False)
        assert (url, answer.status_code) == (url, 200)
        resource = answer.json()
        assert resource["resourceType"] != "Bundle" or resource["entry"], url


def test_an_empty_server_has_something_to_paste_too(connection: Connection) -> None:

    assert [httpx.get(url, trust_env=False).status_code for url in first_queries(connection)] == [200, 200]
