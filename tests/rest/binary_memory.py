"""Uploads a content to a server of its own and reads it again, both as they come; prints how much memory that took.

    python tests/rest/binary_memory.py MONGODB_URI MEBIBYTES

A process of its own, as the most that one ever had is all that it can be asked for.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
import uuid
from collections.abc import MutableMapping
from hashlib import sha256
from typing import Any

from pymongo import MongoClient

from fhir_dmp.app import create_app
from fhir_dmp.settings import read_settings
from fhir_dmp.sign_in import Mode

Message = MutableMapping[str, Any]
PART = bytes(range(256)) * 256


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class _Exchange:
    """One request whose body is made as it is read, and whose answer is hashed as it is sent."""

    def __init__(self, method: str, path: str, parts: int) -> None:
        self._scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(b"content-type", b"application/dicom")],
        }
        self._left = parts
        self.headers: dict[bytes, bytes] = {}
        self.size = 0
        self.hash = sha256()

    async def run(self, app: Any) -> None:
        await app(self._scope, self._receive, self._send)

    async def _receive(self) -> Message:
        self._left -= 1
        # no two parts are the same
        return {"type": "http.request", "body": b"%08d" % self._left + PART[8:], "more_body": self._left > 0}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.headers = dict(message["headers"])
        body = message.get("body", b"")
        self.size += len(body)
        self.hash.update(body)


async def _measure(uri: str, mebibytes: int, folder: str, name: str) -> Message:
    environ = {"FHIR_DMP_MONGODB_URI": uri, "FHIR_DMP_DATABASE": name, "FHIR_DMP_DATA_DIR": folder}
    app = create_app(
        read_settings({**environ, "FHIR_DMP_BASE_URL": "http://testserver/fhir"}),
        mode=Mode(needs_tokens=False, has_local_issuer=False),
    )
    queue: asyncio.Queue[Message] = asyncio.Queue()
    told: asyncio.Queue[Message] = asyncio.Queue()

    async def run() -> None:
        await app({"type": "lifespan", "asgi": {"version": "3.0"}}, queue.get, told.put)

    running = asyncio.create_task(run())
    await queue.put({"type": "lifespan.startup"})
    await told.get()
    await _Exchange("POST", "/fhir/Binary", 1).run(app)
    before, began = _peak(), time.monotonic()
    parts = mebibytes * 1024 * 1024 // len(PART)
    sent = _Exchange("POST", "/fhir/Binary", parts)
    await sent.run(app)
    middle = time.monotonic()
    url = sent.headers[b"location"].decode().removeprefix("http://testserver").partition("/_history")[0]
    got = _Exchange("GET", url, 1)
    await got.run(app)
    await queue.put({"type": "lifespan.shutdown"})
    await running
    seconds = {"upload": round(middle - began, 1), "download": round(time.monotonic() - middle, 1)}
    return {"bytes": got.size, "before": before, "grown": _peak() - before, "seconds": seconds}


def main(uri: str, mebibytes: int) -> None:
    """Prints the figures as JSON."""
    name = f"test_{uuid.uuid4().hex}"
    with tempfile.TemporaryDirectory(prefix="fhir-dmp-") as folder:
        try:
            sys.stdout.write(json.dumps(asyncio.run(_measure(uri, mebibytes, folder, name))))
        finally:
            with MongoClient[dict[str, Any]](uri) as client:
                client.drop_database(name)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
