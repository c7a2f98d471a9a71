"""`fhir-dmp reindex` beside a running server: what it writes, how it ends, and who asks for it."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from fhir_dmp.commands.reindex import warn_of_stale_facts
from fhir_dmp.search.facts import EXTRACTOR_VERSION
from fhir_dmp.settings import Settings
from fhir_dmp.store.mongo.reindex import FACT_FIELDS
from tests.commands.conftest import Run, RunningServer
from tests.rest.server import FHIR_JSON, OPEN

Documents = Database[dict[str, Any]]
NOTHING_TO_DO = "nothing was to be rebuilt"


@pytest.fixture
def documents(mongodb_client: MongoClient[dict[str, Any]], settings: Settings) -> Documents:
    return mongodb_client[settings.database]


@pytest.fixture
def beside(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningServer]:
    """A server on the database of the settings; its base URL is known by what it noted at its start only."""
    server = RunningServer.of(settings, OPEN)
    monkeypatch.delenv("FHIR_DMP_BASE_URL")
    warn_of_stale_facts(replace(settings, base_url=server.base_url))
    with server.running():
        yield server


def put(server: RunningServer, name: str, patient: str = "Patient/p", code: str = "a") -> None:
    resource = {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": {"coding": [{"system": "urn:x", "code": code}]},
        "subject": {"reference": patient},
    }
    url, headers = f"{server.base_url}/Observation/{name}", {"content-type": FHIR_JSON}
    httpx.put(url, json=resource, headers=headers, trust_env=False).raise_for_status()


def make_stale(documents: Documents) -> int:
    """Takes their facts from all documents; returns how many there are."""
    gone = {"$unset": dict.fromkeys(sorted(FACT_FIELDS - {"x"}), ""), "$set": {"x": EXTRACTOR_VERSION - 1}}
    return sum(documents[name].update_many({}, gone).matched_count for name in ("resource", "history"))


def test_facts_are_rebuilt_and_the_database_is_proved(
    beside: RunningServer, documents: Documents, command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    httpx.put(f"{beside.base_url}/Patient/p", json={"resourceType": "Patient", "id": "p"}, trust_env=False)
    for code in ("a", "b"):
        put(beside, "o", f"{beside.base_url}/Patient/p", code)
    stale = make_stale(documents)
    assert beside.total("Observation?patient=Patient/p") == 0
    # the search above left a trace, with facts that are right
    assert command("reindex") == (0, [f"{stale:,} versions have new facts"])
    assert beside.total("Observation?patient=Patient/p") == 1
    assert command("reindex") == (0, [NOTHING_TO_DO])
    monkeypatch.setenv("FHIR_DMP_BASE_URL", beside.base_url)
    assert command("verify")[0] == 0


def test_all_includes_what_is_not_stale(beside: RunningServer, documents: Documents, command: Run) -> None:
    put(beside, "o")
    documents["resource"].update_one({"_id": "Observation/o"}, {"$set": {"pt": "someone-else"}})
    assert command("reindex") == (0, [NOTHING_TO_DO])
    assert beside.total("Observation?patient=Patient/p") == 0
    code, lines = command("reindex", "--all")
    assert code == 0
    assert lines[0].endswith("versions have new facts")
    assert beside.total("Observation?patient=Patient/p") == 1


def test_a_server_that_writes_meanwhile_loses_nothing(
    beside: RunningServer, documents: Documents, command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        put(beside, f"o-{number}")
    make_stale(documents)

    def update() -> None:
        for code in "bcdefghijk":
            for number in range(10):
                put(beside, f"o-{number}", code=code)

    writer = threading.Thread(target=update)
    writer.start()
    codes = []
    while writer.is_alive():
        codes.append(command("reindex", "--all")[0])
    writer.join()
    assert set(codes) == {0}
    assert beside.total("Observation?patient=Patient/p&code=urn:x|k") == 10
    monkeypatch.setenv("FHIR_DMP_BASE_URL", beside.base_url)
    assert command("verify")[0] == 0


def test_what_cannot_be_rebuilt_is_named(beside: RunningServer, documents: Documents, command: Run) -> None:
    put(beside, "o")
    documents["resource"].update_one({"_id": "Observation/o"}, {"$set": {"b": b"{", "x": 0}})
    line = "Observation/o: its content cannot be read: it keeps its facts"
    assert command("reindex") == (1, [line, "nothing was to be rebuilt; 1 could not be rebuilt"])


@pytest.mark.usefixtures("settings")
def test_a_database_that_holds_nothing_is_most_likely_the_wrong_one(command: Run) -> None:
    code, lines = command("reindex")
    assert code == 3
    assert lines[0].endswith("holds nothing")


def test_a_database_that_does_not_answer_is_told_in_one_line(command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FHIR_DMP_MONGODB_URI", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100")
    code, lines = command("reindex")
    assert (code, len(lines)) == (3, 1)


def test_the_server_warns_until_it_is_done(
    beside: RunningServer,
    settings: Settings,
    documents: Documents,
    command: Run,
    caplog: pytest.LogCaptureFixture,
) -> None:
    put(beside, "o")

    def warnings() -> list[str]:
        caplog.clear()
        warn_of_stale_facts(replace(settings, base_url=beside.base_url))
        return [row.getMessage() for row in caplog.records if row.levelno >= logging.WARNING]

    assert warnings() == []
    make_stale(documents)
    documents["setting"].delete_one({"_id": "facts"})
    assert ["fhir-dmp reindex" in line for line in warnings()] == [True]
    assert ["fhir-dmp reindex" in line for line in warnings()] == [True]
    assert command("reindex")[0] == 0
    assert warnings() == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_serve_itself_warns(beside: RunningServer, documents: Documents) -> None:
    put(beside, "o")
    make_stale(documents)
    documents["setting"].delete_one({"_id": "facts"})
    program = [sys.executable, "-c", "from fhir_dmp.cli import main; main()"]
    arguments = ["serve", "--auth", "open", "--port", str(free_port())]
    with subprocess.Popen([*program, *arguments], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        try:
            warning = next((line for line in process.stderr if line.startswith("WARNING")), "")
        finally:
            process.terminate()
    assert "fhir-dmp reindex" in warning


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
