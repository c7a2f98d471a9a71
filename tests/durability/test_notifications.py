"""A server that is killed while it sends notifications: each version is told at least once, and in order.

Between two kills each is told once: what comes twice is what was under way when the server died.
"""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any, Protocol

import pytest

pytestmark = pytest.mark.skipif("sys.platform != 'linux'", reason="processes are found in /proc")

DOCUMENTS, KILLED_AT = 12, 4
WAIT_SECONDS = 60
SYSTEM = "urn:fhir-dmp:durability"


class ServerProcess(Protocol):
    """The part of conftest.ServerProcess that this test uses."""

    port: int

    def start(self) -> None: ...
    def kill(self) -> None: ...


@dataclass(slots=True)
class Told:
    """What an endpoint was told: numbers of Observations, in order. It does not answer while it is `stuck`."""

    url: str = ""
    numbers: list[int] = field(default_factory=list)
    stuck: threading.Event = field(default_factory=threading.Event)

    def wait_for(self, count: int) -> None:
        """Returns when so many different ones came."""
        deadline = time.monotonic() + WAIT_SECONDS
        while len(set(self.numbers)) < count:
            assert time.monotonic() < deadline, self.numbers
            time.sleep(0.02)


@contextmanager
def listening() -> Iterator[Told]:
    told = Told()

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            told.numbers.append(int(body["identifier"][0]["value"]))
            while told.stuck.is_set():
                time.sleep(0.02)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    told.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield told
    finally:
        told.stuck.clear()
        server.shutdown()
        thread.join()
        server.server_close()


def post(port: int, resource: dict[str, Any]) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"content-type": "application/fhir+json"}
    connection.request("POST", f"/fhir/{resource['resourceType']}", json.dumps(resource), headers)
    answer = connection.getresponse()
    assert answer.status == 201, answer.read()
    connection.close()


def observe(port: int, number: int) -> None:
    identifier = [{"system": SYSTEM, "value": str(number)}]
    code = {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}
    post(port, {"resourceType": "Observation", "status": "final", "code": code, "identifier": identifier})


def test_what_is_written_is_told_at_least_once_across_a_kill(hooked_server: ServerProcess) -> None:
    server = hooked_server
    with listening() as told:
        channel = {"type": "rest-hook", "endpoint": told.url, "payload": "application/fhir+json"}
        criteria = f"Observation?identifier={SYSTEM}|"
        asked = {"resourceType": "Subscription", "status": "requested", "reason": "x", "criteria": criteria}
        post(server.port, {**asked, "channel": channel})
        for number in range(KILLED_AT):
            observe(server.port, number)
        told.wait_for(KILLED_AT)
        time.sleep(0.5)  # the last answer is written down too
        told.stuck.set()
        for number in range(KILLED_AT, DOCUMENTS):
            observe(server.port, number)
        told.wait_for(KILLED_AT + 1)
        server.kill()
        told.stuck.clear()
        server.start()
        told.wait_for(DOCUMENTS)
        observe(server.port, DOCUMENTS)
        told.wait_for(DOCUMENTS + 1)
        assert list(dict.fromkeys(told.numbers)) == list(range(DOCUMENTS + 1)), "in order"
        assert {number: times for number, times in Counter(told.numbers).items() if times > 1} == {KILLED_AT: 2}
