"""What was acknowledged survives kill -9 of the server, of mongod and of both; what was not is whole or absent.

https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any, Protocol

import pytest

pytestmark = pytest.mark.skipif("sys.platform != 'linux'", reason="processes are found in /proc")

WRITERS = 4
RESOURCES = 6
"""Observations in each Bundle, beside the next version of the writer's ledger."""
SYSTEM = "urn:fhir-dmp:durability"
KILLS = ["mongod", "server", "mongod", "all"] * 5
"""What is killed. A mongod that dies again and again without the server is given up after some attempts."""
SEED = 20261121


class ServerProcess(Protocol):
    """The part of conftest.ServerProcess that this test uses."""

    port: int

    def start(self) -> None: ...
    def wait_until_ready(self) -> None: ...
    def kill(self) -> None: ...
    def kill_mongod(self) -> None: ...
    def kill_all(self) -> None: ...


@dataclass(slots=True)
class Writer:
    """A client that posts one Bundle after another, whatever happens, and remembers what was acknowledged."""

    number: int
    port: int
    sent: int = 0
    acknowledged: list[int] = field(default_factory=list)
    refused: Counter[int] = field(default_factory=Counter)
    created: list[int] = field(default_factory=list)

    @property
    def ledger(self) -> str:
        return f"Patient/ledger-{self.number}"

    def run(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            self.sent += 1
            if post(self.port, "/fhir", self._bundle(), self.refused):
                self.acknowledged.append(self.sent)
            if post(self.port, "/fhir/Observation", observation(f"{self.number}-{self.sent}-single"), self.refused):
                self.created.append(self.sent)

    def _bundle(self) -> dict[str, Any]:
        label = f"{self.number}-{self.sent}"
        creates = [
            {"resource": observation(label), "request": {"method": "POST", "url": "Observation"}}
            for _ in range(RESOURCES)
        ]
        ledger = {
            "resourceType": "Patient",
            "id": f"ledger-{self.number}",
            "identifier": [{"system": SYSTEM, "value": str(self.sent)}],
        }
        entries = [*creates, {"resource": ledger, "request": {"method": "PUT", "url": self.ledger}}]
        return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def observation(label: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "meta": {"tag": [{"system": SYSTEM, "code": label}]},
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "valueQuantity": {"value": 72, "unit": "/min"},
    }


def post(port: int, path: str, body: dict[str, Any], refused: Counter[int]) -> bool:
    """Tells whether the server acknowledged; what became of the rest is unknown."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/fhir+json"})
        answer = connection.getresponse()
        answer.read()
    except (OSError, HTTPException):
        time.sleep(0.1)
        return False
    finally:
        connection.close()
    if answer.status not in {200, 201}:
        refused[answer.status] += 1
    return answer.status in {200, 201}


def get(port: int, path: str) -> Any:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        return json.loads(body)
    finally:
        connection.close()


def pages(port: int, path: str) -> Iterator[dict[str, Any]]:
    """Every entry of a search or history."""
    following: str | None = path
    while following:
        bundle = get(port, following)
        yield from bundle.get("entry", ())
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        following = links["next"].partition(f":{port}")[2] if "next" in links else None


def test_acknowledged_transactions_survive_and_no_other_is_partial(server: ServerProcess) -> None:
    chance = random.Random(SEED)
    writers = [Writer(number, server.port) for number in range(WRITERS)]
    stopping = threading.Event()
    threads = [threading.Thread(target=writer.run, args=[stopping]) for writer in writers]
    for thread in threads:
        thread.start()
    try:
        for what in KILLS:
            time.sleep(chance.uniform(0.05, 0.7))
            kill(server, what)
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    stored = Counter(
        entry["resource"]["meta"]["tag"][0]["code"] for entry in pages(server.port, "/fhir/Observation?_count=1000")
    )
    for writer in writers:
        check_bundles(writer, stored, server.port)
        check_creates(writer, stored)
        check_ledger(writer, server.port)
        assert writer.refused.keys() <= {503}
    assert sum(len(writer.acknowledged) for writer in writers) > len(KILLS)


def kill(server: ServerProcess, what: str) -> None:
    if what == "mongod":
        server.kill_mongod()
        server.wait_until_ready()
        return
    if what == "server":
        server.kill()
    else:
        server.kill_all()
    server.start()


def check_bundles(writer: Writer, stored: Counter[str], port: int) -> None:
    whole = {number for number in range(1, writer.sent + 1) if stored[f"{writer.number}-{number}"]}
    assert {stored[f"{writer.number}-{number}"] for number in whole} == {RESOURCES}
    assert set(writer.acknowledged) <= whole
    assert {number_in(entry) for entry in pages(port, f"/fhir/{writer.ledger}/_history?_count=1000")} == whole


def number_in(entry: dict[str, Any]) -> int:
    return int(entry["resource"]["identifier"][0]["value"])


def check_creates(writer: Writer, stored: Counter[str]) -> None:
    times = {number: stored[f"{writer.number}-{number}-single"] for number in range(1, writer.sent + 1)}
    assert set(times.values()) <= {0, 1}
    assert all(times[number] == 1 for number in writer.created)


def check_ledger(writer: Writer, port: int) -> None:
    """Versions count from 1 without a gap, in the order in which the writer sent them; the newest is the current."""
    entries = list(pages(port, f"/fhir/{writer.ledger}/_history?_count=1000"))
    versions = [int(entry["resource"]["meta"]["versionId"]) for entry in entries]
    assert versions == list(range(len(entries), 0, -1))
    times = [entry["resource"]["meta"]["lastUpdated"] for entry in entries]
    assert times == sorted(set(times), reverse=True)
    numbers = [number_in(entry) for entry in entries]
    assert numbers == sorted(set(numbers), reverse=True)
    assert get(port, f"/fhir/{writer.ledger}") == entries[0]["resource"]
    for entry in entries[:: max(1, len(entries) // 5)]:
        version = entry["resource"]["meta"]["versionId"]
        assert get(port, f"/fhir/{writer.ledger}/_history/{version}") == entry["resource"]
