"""A stand-in for a FHIR package registry, on a port of this machine, that speaks its protocol; and a package store."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fhir_dmp.store.mongo.packages import MongoPackages
from fhir_dmp.store.mongo.store import connect

Json = Any


@dataclass
class StandIn:
    """What the registry has: listings by name, bodies by path; and what it does with a path before it answers."""

    url: str = ""
    listings: dict[str, Json] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    drips: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def offer(self, file: Path, manifest: Json, **dist: Json) -> None:
        """Puts a package on offer; `dist` changes what the listing says of its archive."""
        name, version, data = manifest["name"], manifest["version"], file.read_bytes()
        path = f"/{name}/{version}"
        self.bodies[path] = data
        told = {"shasum": hashlib.sha1(data).hexdigest(), "tarball": self.url + path, **dist}
        listing = self.listings.setdefault(name, {"_id": name, "name": name, "dist-tags": {}, "versions": {}})
        listing["dist-tags"]["latest"] = version
        listing["versions"][version] = {"name": name, "version": version, "dist": told}


@pytest.fixture
def registry() -> Iterator[StandIn]:
    """An empty registry."""
    stand_in = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            stand_in.asked.append(self.path)
            if self.path in stand_in.redirects:
                self.send_response(302)
                self.send_header("location", stand_in.redirects[self.path])
                self.send_header("content-length", "0")
                self.end_headers()
                return
            name = self.path.strip("/")
            listed = json.dumps(stand_in.listings[name]).encode() if name in stand_in.listings else None
            self._answer(stand_in.bodies.get(self.path, listed))

        def _answer(self, body: bytes | None) -> None:
            self.send_response(200 if body is not None else 404)
            self.send_header("content-length", str(len(body or b"")))
            self.end_headers()
            with suppress(OSError):
                for start in range(0, len(body or b""), 100 if self.path in stand_in.drips else 1 << 30):
                    if start:
                        time.sleep(0.05)
                    self.wfile.write((body or b"")[start:][: 100 if self.path in stand_in.drips else None])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        stand_in.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield stand_in
        server.shutdown()
        thread.join()


@pytest.fixture
async def store(mongodb_uri: str, database_name: str) -> AsyncIterator[MongoPackages]:
    """The packages of a database that is this test's alone."""
    client = connect(mongodb_uri)
    yield MongoPackages(client, database_name)
    await client.close()
