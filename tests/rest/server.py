"""The whole server in this process, on a real mongod, and what must hold of everything that it answers.

Every answer passes `check_answer`: no 5xx, each error an OperationOutcome with a stable code, each resource one that
fhir.resources reads too.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import httpx
from fhir.resources.R4B import get_fhir_model_class
from pymongo import MongoClient
from pymongo.database import Database
from starlette.types import ASGIApp

from fhir_dmp.app import Sources, create_app
from fhir_dmp.outcome import CODES
from fhir_dmp.settings import read_settings

Json = Any
Pairs = Sequence[tuple[str, str]]

BASE_URL = "http://testserver/fhir"
FHIR_JSON = "application/fhir+json"
JSON_TYPE = "application/fhir+json; charset=utf-8"
MAX_BODY = 2 * 1024 * 1024
"""Bytes: small enough for a test to pass it, large enough for a Bundle of 1,000 entries."""

ACCEPTED_FAILURES = frozenset({503})
"""Of the statuses from 500 on, the one that says what to do: try again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as the ASGI application sent it. Names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Json:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its application, a client of it, and its database from behind."""

    app: ASGIApp
    client: httpx.AsyncClient
    database: Database[dict[str, Any]]

    def count(self, collection: str = "resource", **wanted: Any) -> int:
        """How many documents a collection holds, asked of the database itself."""
        return self.database[collection].count_documents(wanted)

    async def exchange(
        self, method: str, target: str, headers: Pairs = (), chunks: Iterable[bytes] = (), *, is_cut: bool = False
    ) -> Answer:
        """Sends a request exactly as it is given, which no client library would; `target` begins with a slash.

        Where `is_cut`, the connection ends after the last chunk, although more was announced.
        """
        answer = await _exchange(self.app, _scope(method, target, headers), list(chunks) or [b""], is_cut=is_cut)
        check_answer(method, answer.status, answer.headers, answer.body)
        return answer


@asynccontextmanager
async def run_server(
    mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]], sources: Sources | None = None, **changed: str
) -> AsyncIterator[Server]:
    """Runs a server on a database of its own, which is dropped afterwards; `changed` are settings without prefix."""
    name = f"test_{uuid.uuid4().hex}"
    settings = {"MONGODB_URI": mongodb_uri, "DATABASE": name, "BASE_URL": BASE_URL, "MAX_BODY": str(MAX_BODY)}
    environ = {f"FHIR_DMP_{key}": value for key, value in {**settings, **changed}.items()}
    app = create_app(read_settings(environ), sources)
    hooks = {"response": [_check_response]}
    transport = httpx.ASGITransport(app=app)
    async with (
        _lifespan(app),
        httpx.AsyncClient(transport=transport, base_url=BASE_URL, event_hooks=hooks) as client,
    ):
        yield Server(app, client, mongodb_client[name])
    mongodb_client.drop_database(name)


@asynccontextmanager
async def _lifespan(app: ASGIApp) -> AsyncIterator[None]:
    """Runs the application's start and end in one task of their own, as a server does."""
    to_app: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    from_app: asyncio.Queue[Any] = asyncio.Queue()

    async def run() -> None:
        await app({"type": "lifespan", "asgi": {"version": "3.0"}}, to_app.get, from_app.put)

    task = asyncio.create_task(run())
    await to_app.put({"type": "lifespan.startup"})
    assert (await from_app.get())["type"] == "lifespan.startup.complete"
    yield
    await to_app.put({"type": "lifespan.shutdown"})
    assert (await from_app.get())["type"] == "lifespan.shutdown.complete"
    await task


def _scope(method: str, target: str, headers: Pairs) -> dict[str, Any]:
    path, _, query = target.encode("latin-1").partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path.decode("latin-1")),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        "server": ("testserver", 80),
        "client": ("127.0.0.1", 1),
    }


async def _exchange(app: ASGIApp, scope: dict[str, Any], chunks: list[bytes], *, is_cut: bool) -> Answer:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if not chunks:
            return {"type": "http.disconnect"}
        chunk = chunks.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": is_cut or bool(chunks)}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start, *bodies = sent
    shown = {name.decode().lower(): value.decode("latin-1") for name, value in start["headers"]}
    return Answer(start["status"], shown, b"".join(message.get("body", b"") for message in bodies))


async def _check_response(response: httpx.Response) -> None:
    await response.aread()
    headers = {name.lower(): value for name, value in response.headers.items()}
    check_answer(response.request.method, response.status_code, headers, response.content)


def check_answer(method: str, status: int, headers: dict[str, str], body: bytes) -> None:
    """Fails where an answer is none that this server may give, whatever was asked."""
    assert status < 500 or status in ACCEPTED_FAILURES, f"{method}: {status} {body[:500]!r}"
    assert headers.get("x-request-id"), "an answer without X-Request-Id"
    if method == "HEAD" or status in {204, 304}:
        assert body == b"", f"{method}: {status} has a body"
        return
    if not body:
        assert status < 400, f"{method}: {status} has no OperationOutcome"
        assert headers.get("content-length") == "0"
        return
    assert headers["content-type"] == JSON_TYPE
    assert headers["content-length"] == str(len(body))
    assert not body.startswith(b"\xef\xbb\xbf")
    resource = json.loads(body.decode("utf-8"), parse_float=Decimal)
    if status >= 400:
        check_outcome(resource)
    read_by_another(resource)


def check_outcome(outcome: Json) -> None:
    """An error says which one it is by a code that stays, whatever its words."""
    assert outcome["resourceType"] == "OperationOutcome"
    for issue in outcome["issue"]:
        assert issue["severity"] in {"fatal", "error"}, issue
        coding = issue["details"]["coding"][0]
        assert coding["system"] == CODES, issue
        assert coding["code"], issue
        assert issue["details"]["text"], issue


def read_by_another(resource: Json) -> None:
    """Reads a resource, and each one of a Bundle, with fhir.resources; raises its error where that finds a fault."""
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
