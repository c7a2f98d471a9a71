"""An HTTP server of a test's own, which stands in for an issuer: it answers what the test says, and remembers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = Any


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Told:
    """What is answered; with a `pause`, in seconds, byte by byte."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pause: float = 0


def tell(value: Json, status: int = 200, **headers: str) -> Told:
    """An answer in JSON; names of headers are written with underscores."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Told(json.dumps(value).encode(), status, {"content-type": "application/json", **named})


@dataclass(slots=True)
class StandIn:
    """The server: its address, its answers by path, and what it was asked."""

    url: str
    answers: dict[str, Callable[[Asked], Told]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def count(self, path: str) -> int:
        return sum(item.path == path for item in self.asked)


def _cut(told: Told) -> Iterator[bytes]:
    if not told.pause:
        yield told.body
        return
    for byte in told.body:
        time.sleep(told.pause)
        yield bytes([byte])


@contextmanager
def run_stand_in() -> Iterator[StandIn]:
    """Runs a stand-in on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            size = int(self.headers.get("content-length", "0"))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, self.rfile.read(size).decode())
            stand_in.asked.append(asked)
            found = stand_in.answers.get(self.path)
            told = found(asked) if found else tell({}, 404)
            self.send_response(told.status)
            for name, value in {**told.headers, "content-length": str(len(told.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            for piece in _cut(told):
                self.wfile.write(piece)

        do_GET = do_POST = _answer  # noqa: N815  names of http.server

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        stand_in = StandIn(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield stand_in
        finally:
            server.shutdown()
            thread.join()
