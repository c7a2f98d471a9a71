"""A load that is interrupted, in order or by kill -9, is finished by the same command, and nothing is stored twice."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_dmp.commands.connection import Connection, parse_target
from fhir_dmp.commands.files import find_files
from fhir_dmp.commands.journal import Journal
from fhir_dmp.commands.load import Ledger, Loading
from fhir_dmp.commands.parcel import pack
from fhir_dmp.commands.progress import show_progress
from fhir_dmp.commands.reading import read_pieces
from fhir_dmp.commands.report import Report
from fhir_dmp.store.mongo.embedded.mongod import MongodUnavailable, find_mongod
from tests.commands.conftest import RunningServer
from tests.durability.conftest import ServerProcess

PEOPLE = 4000
"""So many that a load is still under way when it is ended, however fast it is."""
BUNDLES = 80
A, B = "urn:uuid:0d9d4a9c-6d3b-4b5e-8c53-000000000001", "urn:uuid:0d9d4a9c-6d3b-4b5e-8c53-000000000002"
TOTALS = {"Patient": PEOPLE, "Device": BUNDLES, "Observation": BUNDLES}
AT_ONCE = 4 * 100
"""Resources that are on their way at once, at most."""


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Resources without ids, and Bundles that create theirs: what would be stored twice if it were sent twice."""
    folder = tmp_path / "records"
    folder.mkdir()
    for number in range(BUNDLES):
        (folder / f"{number:03}.json").write_text(json.dumps(_bundle(number)))
    people = (json.dumps({"resourceType": "Patient", "name": [{"text": str(number)}]}) for number in range(PEOPLE))
    (folder / "people.ndjson").write_text("\n".join(people))
    return folder


def _bundle(number: int) -> dict[str, Any]:
    device = {"resourceType": "Device", "lotNumber": str(number)}
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "device": {"reference": A}}
    entries = [
        {"fullUrl": full_url, "resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}
        for full_url, resource in ((A, device), (B, observation))
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _start(records: Path, base_url: str) -> subprocess.Popen[str]:
    program = shutil.which("fhir-dmp", path=str(Path(sys.executable).parent))
    assert program, "fhir-dmp is not installed beside this Python"
    command = [program, "load", str(records), "--url", base_url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)


def _interrupt(
    records: Path, server: RunningServer, how: signal.Signals, after: str, count: int
) -> tuple[int, str, str]:
    """Starts a load, ends it once so many resources are stored, and returns its exit code and what it wrote."""
    process = _start(records, server.base_url)
    deadline = time.monotonic() + 60
    while server.total(after) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(how)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def _finish(records: Path, server: RunningServer) -> dict[str, int]:
    """Runs the load to its end, and returns what it counts."""
    process = _start(records, server.base_url)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    counts = {name: int(number.replace(",", "")) for number, name in re.findall(r"(\d[\d,]*) (\w+)", out)}
    return {**counts, "skipped": counts.pop("were", 0)}


def _total(base_url: str, resource_type: str) -> int:
    """How many resources of a type there are; -1 where the server cannot tell now."""
    answer = httpx.get(f"{base_url}/{resource_type}?_summary=count", trust_env=False)
    total: int = answer.json()["total"] if answer.status_code == HTTPStatus.OK else -1
    return total


def _check_stored_once(server: RunningServer) -> None:
    assert [server.total(name) for name in TOTALS] == list(TOTALS.values())


@pytest.mark.parametrize(("after", "count"), [("Device", 10), ("Patient", 300)])
def test_a_load_that_was_killed_is_finished_by_the_same_command(
    records: Path, server: RunningServer, after: str, count: int
) -> None:
    code, out, _ = _interrupt(records, server, signal.SIGKILL, after, count)
    assert (code, out) == (-signal.SIGKILL, "")
    counts = _finish(records, server)
    assert counts["skipped"] > 0
    assert counts["updated"] <= AT_ONCE
    assert counts["created"] + counts["updated"] + counts["skipped"] == PEOPLE + 2 * BUNDLES
    _check_stored_once(server)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_load_that_is_asked_to_end_knows_everything_that_arrived(
    records: Path, server: RunningServer, how: signal.Signals
) -> None:
    code, out, err = _interrupt(records, server, how, "Patient", 300)
    assert code == 130
    assert err == "fhir-dmp: interrupted: run the same command again to resume\n"
    (created,) = re.fullmatch(r"([\d,]+) created, 0 updated, 0 unchanged, 0 refused\n", out).groups()  # type: ignore[union-attr]
    counts = _finish(records, server)
    assert counts["updated"] == 0
    assert counts["skipped"] == int(created.replace(",", ""))
    _check_stored_once(server)


class _InterruptedJournal(Journal):
    """A journal in which Ctrl-C comes once, right before an answer is written or right after it."""

    def __init__(self, file: Path, *, comes_before: bool) -> None:
        super().__init__(file)
        self._comes_before = comes_before
        self._has_come = False

    def add(self, keys: Sequence[str], location: str) -> None:
        """Adds, and is interrupted the first time."""
        is_first, self._has_come = not self._has_come, True
        if is_first and self._comes_before:
            raise KeyboardInterrupt
        super().add(keys, location)
        if is_first:
            raise KeyboardInterrupt


@pytest.mark.parametrize("comes_before", [True, False])
def test_an_answer_that_an_interruption_meets_is_in_the_journal(
    records: Path, server: RunningServer, tmp_path: Path, *, comes_before: bool
) -> None:
    file, report = tmp_path / "journal.jsonl", Report()
    with Connection(parse_target(server.base_url)) as connection, show_progress("loading", 0) as meter:
        journal = _InterruptedJournal(file, comes_before=comes_before)
        loading = Loading(connection, journal, Ledger(report, None), meter)
        with pytest.raises(KeyboardInterrupt):
            loading.run(pack(read_pieces(find_files([records]), meter)))
    arrived = sum(map(server.total, TOTALS))
    keys = {key for line in file.read_bytes().splitlines() for key in json.loads(line)["keys"]}
    assert len(keys) == report.tally["created"] == arrived > 0


def test_a_finished_load_sends_nothing_again(records: Path, server: RunningServer) -> None:
    assert _finish(records, server)["created"] == PEOPLE + 2 * BUNDLES
    counts = _finish(records, server)
    assert (counts["created"], counts["updated"], counts["skipped"]) == (0, 0, PEOPLE + 2 * BUNDLES)


@pytest.mark.skipif(sys.platform != "linux", reason="mongod is found in /proc")
def test_a_database_that_dies_meanwhile_is_waited_for(records: Path, tmp_path: Path) -> None:
    try:
        find_mongod()
    except MongodUnavailable as fault:
        pytest.skip(f"no mongod to kill: {fault}")
    server = ServerProcess(tmp_path)
    base_url = f"http://127.0.0.1:{server.port}/fhir"
    server.start()
    try:
        loading = _start(records, base_url)
        while _total(base_url, "Patient") < 100:
            assert loading.poll() is None, loading.communicate()
            time.sleep(0.01)
        server.kill_mongod()
        out, err = loading.communicate(timeout=120)
        assert (loading.returncode, err) == (0, ""), out
        assert [_total(base_url, name) for name in TOTALS] == list(TOTALS.values())
    finally:
        server.stop()
