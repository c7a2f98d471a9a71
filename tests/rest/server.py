"""The whole server in this process, on a real mongod, and what must hold of everything that it answers.

Every answer passes `check_answer`: no 5xx, each error an OperationOutcome with a stable code, each resource one that
fhir.resources reads too.

`run_server` needs no tokens: whoever asks is the server itself, and sees everything. With `mode=GUARDED` it needs them,
and `server.tokens` makes them as the local issuer does:

    headers = server.tokens.practitioner("99900000011", "10")
    await server.client.get("Patient/1", headers=headers)

`run_both` runs the two on one database: what the open one is given, the guarded one guards.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import httpx
import zstandard
from fhir.resources.R4B import get_fhir_model_class
from pymongo import MongoClient
from pymongo.database import Database
from starlette.types import ASGIApp

from fhir_dmp.access.requester import Kind
from fhir_dmp.app import Sources, create_app
from fhir_dmp.authentication.statement import Statement
from fhir_dmp.issuer.grant import Grant, of_patient, of_professional, of_proxy, of_system
from fhir_dmp.issuer.keys import SigningKeys, load_keys
from fhir_dmp.issuer.server import issuer_url
from fhir_dmp.json_text import write_json
from fhir_dmp.loader import load_registry
from fhir_dmp.outcome import CODES
from fhir_dmp.settings import Settings, read_settings
from fhir_dmp.sign_in import Mode
from fhir_dmp.store.mongo.recorded import parse_recorded
from fhir_dmp.xml.form import Forms
from fhir_dmp.xml.read import parse_xml

Json = Any
Pairs = Sequence[tuple[str, str]]

BASE_URL = "http://testserver/fhir"
FHIR_JSON = "application/fhir+json"
FHIR_XML = "application/fhir+xml"
JSON_TYPE = "application/fhir+json; charset=utf-8"
XML_TYPE = "application/fhir+xml; charset=utf-8"
FIGURE_TYPES = frozenset({"text/csv; charset=utf-8", "image/svg+xml"})
"""The table and the picture of $dmp-statistics."""
BULK_TYPES = frozenset({"application/json", "application/fhir+ndjson"})
"""What is no resource: the manifest of an export, and its files."""
FORMS = Forms(load_registry())
MAX_BODY = 2 * 1024 * 1024
"""Bytes: small enough for a test to pass it, large enough for a Bundle of 1,000 entries."""

OPEN = Mode(needs_tokens=False, has_local_issuer=False)
GUARDED = Mode(needs_tokens=True, has_local_issuer=True)

ACCEPTED_FAILURES = frozenset({503})
"""Of the statuses from 500 on, the one that says what to do: try again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as the ASGI application sent it, its body decoded. Names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes
    coding: str = ""

    def json(self) -> Json:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Makes tokens of the local issuer; each comes as the header that carries it.

    `scope` takes SMART scopes; without, it is all that such a requester may have. They are good for an hour of `now`.
    """

    keys: SigningKeys
    now: Callable[[], int]
    seconds: int = 3600

    def practitioner(
        self, rpps: str, profession: str, *, scope: str = "user/*.cruds", **members: Any
    ) -> dict[str, str]:
        """A professional; `members` are those of Statement, such as `purposes=("BTG",), reason="coma"`."""
        members = {"purposes": ("TREAT",), **members}
        statement = Statement(f"rpps:{rpps}", rpps=rpps, professions=(profession,), **members)
        return self.sign(of_professional(statement, "test", tuple(scope.split())))

    def patient(self, patient_id: str, *, scope: str = "patient/*.cruds") -> dict[str, str]:
        """The person of a Patient."""
        return self.sign(of_patient(patient_id, "test", tuple(scope.split())))

    def representative(self, patient_id: str, *, scope: str = "patient/*.cruds") -> dict[str, str]:
        """Who represents that patient by law."""
        return self.sign(of_proxy(Kind.REPRESENTATIVE.value, patient_id, "test", tuple(scope.split())))

    def helper(self, patient_id: str, *, scope: str = "patient/*.cruds") -> dict[str, str]:
        """Who helps that patient with his record."""
        return self.sign(of_proxy(Kind.HELPER.value, patient_id, "test", tuple(scope.split())))

    def hospital(self, finess: str, *, scope: str = "system/*.cruds") -> dict[str, str]:
        """The system of the hospital with that number."""
        return self.sign(of_system(Kind.HOSPITAL.value, "hospital", finess, tuple(scope.split())))

    def insurance(self, number: str, *, scope: str = "system/*.cruds") -> dict[str, str]:
        """The system of the assurance maladie."""
        return self.sign(of_system(Kind.HEALTH_INSURANCE.value, "cnam", number, tuple(scope.split())))

    def administrator(self, *, scope: str = "system/*.cruds") -> dict[str, str]:
        """An administrator of the server."""
        return self.sign(of_system(Kind.ADMINISTRATOR.value, "console", "", tuple(scope.split())))

    def auditor(self, *, scope: str = "system/*.rs") -> dict[str, str]:
        """Who controls the traces."""
        return self.sign(of_system(Kind.AUDITOR.value, "audit", "", tuple(scope.split())))

    def sign(self, grant: Grant) -> dict[str, str]:
        """A token of whatever a grant says."""
        claims = grant.build_claims(issuer_url(BASE_URL), BASE_URL, str(uuid.uuid4()), self.now(), self.seconds)
        return {"authorization": f"Bearer {self.keys.sign(claims)}"}


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its application, a client of it, its database from behind, and who makes tokens for it."""

    app: ASGIApp
    client: httpx.AsyncClient
    database: Database[dict[str, Any]]
    tokens: Tokens

    def count(self, collection: str = "resource", **wanted: Any) -> int:
        """How many documents a collection holds, asked of the database itself; of events, those only recorded too."""
        if collection != "resource" or wanted not in ({}, {"ty": "AuditEvent"}):
            return self.database[collection].count_documents(wanted)
        # in this order: they are removed from the one when they are in the other
        rows = [parse_recorded(row) for row in self.database["recorded"].find()]
        events = {str(event.version.identity) for row in rows for event in row}
        events |= {row["_id"] for row in self.database["resource"].find({"ty": "AuditEvent"}, {"_id": 1})}
        return len(events) + (0 if wanted else self.count(ty={"$ne": "AuditEvent"}))

    async def exchange(
        self, method: str, target: str, headers: Pairs = (), chunks: Iterable[bytes] = (), *, is_cut: bool = False
    ) -> Answer:
        """Sends a request exactly as it is given, which no client library would; `target` begins with a slash.

        Where `is_cut`, the connection ends after the last chunk, although more was announced.
        """
        answer = await _exchange(self.app, _scope(method, target, headers), list(chunks) or [b""], is_cut=is_cut)
        coding = answer.headers.pop("content-encoding", "")
        if coding and answer.body:
            assert answer.headers["content-length"] == str(len(answer.body))
            answer = replace(answer, coding=coding, body=_decode(coding, answer.body))
            answer.headers["content-length"] = str(len(answer.body))
        check_answer(method, answer.status, answer.headers, answer.body)
        return answer


@asynccontextmanager
async def run_server(
    mongodb_uri: str,
    mongodb_client: MongoClient[dict[str, Any]],
    sources: Sources | None = None,
    mode: Mode = OPEN,
    **changed: str,
) -> AsyncIterator[Server]:
    """Runs a server on a database of its own, which is dropped afterwards; `changed` are settings without prefix."""
    name = f"test_{uuid.uuid4().hex}"
    with tempfile.TemporaryDirectory(prefix="fhir-dmp-") as folder:
        given = {
            "MONGODB_URI": mongodb_uri,
            "DATABASE": name,
            "DATA_DIR": folder,
            "BASE_URL": BASE_URL,
            "MAX_BODY": str(MAX_BODY),
        }
        environ = {f"FHIR_DMP_{key}": value for key, value in {**given, **changed}.items()}
        settings = read_settings(environ)
        async with _run(settings, mongodb_client, sources, mode) as server:
            yield server
        mongodb_client.drop_database(settings.database)


@asynccontextmanager
async def run_both(
    mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]], sources: Sources | None = None, **changed: str
) -> AsyncIterator[tuple[Server, Server]]:
    """Runs an open and a guarded server on one database: the first is to fill it and to look at all of it.

    Whom the guarded one has asked about before, it looks up in the directory (AccessCache) only every 5 seconds of its
    clock: fill in Practitioners, Organizations and CareTeams first. Consents and Patients count from the next request.
    """
    async with run_server(mongodb_uri, mongodb_client, sources, OPEN, **changed) as behind:
        same = {**changed, "DATABASE": behind.database.name}
        async with run_server(mongodb_uri, mongodb_client, sources, GUARDED, **same) as guarded:
            yield behind, guarded


@asynccontextmanager
async def _run(
    settings: Settings, mongodb_client: MongoClient[dict[str, Any]], sources: Sources | None, mode: Mode
) -> AsyncIterator[Server]:
    sources = sources or Sources()
    app = create_app(settings, sources, mode)
    transport = httpx.ASGITransport(app=app)
    hooks = {"response": [_check_response]}
    async with (
        _lifespan(app),
        httpx.AsyncClient(transport=transport, base_url=BASE_URL, event_hooks=hooks) as client,
    ):
        tokens = Tokens(load_keys(settings.data_dir), sources.now)
        yield Server(app, client, mongodb_client[settings.database], tokens)


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
    is_streamed = headers.get("content-type") in BULK_TYPES and "content-length" not in headers
    if headers.pop("content-encoding", "") and response.content and not is_streamed:
        assert headers["content-length"] == str(response.num_bytes_downloaded)
        headers["content-length"] = str(len(response.content))
    check_answer(response.request.method, response.status_code, headers, response.content)


def _decode(coding: str, body: bytes) -> bytes:
    if coding == "gzip":
        return gzip.decompress(body)
    assert coding == "zstd"
    return zstandard.ZstdDecompressor().decompressobj().decompress(body)


def check_answer(method: str, status: int, headers: dict[str, str], body: bytes) -> None:
    """Fails where an answer is none that this server may give, whatever was asked."""
    assert status < 500 or status in ACCEPTED_FAILURES, f"{method}: {status} {body[:500]!r}"
    assert headers.get("x-request-id"), "an answer without X-Request-Id"
    if method == "HEAD" or status in {204, 304}:
        assert body == b"", f"{method}: {status} has a body"
        return
    if headers.get("content-type") in FIGURE_TYPES:
        assert headers["x-content-type-options"] == "nosniff"
        return
    if headers.get("content-type") in BULK_TYPES:
        return
    if not body:
        assert status < 400, f"{method}: {status} has no OperationOutcome"
        assert headers.get("content-length") == "0"
        return
    assert headers["content-length"] == str(len(body))
    if "accept-ranges" in headers:
        assert headers["x-content-type-options"] == "nosniff", "what was uploaded must not run in a browser"
        return
    assert headers["content-type"] in {JSON_TYPE, XML_TYPE}
    assert {"accept", "accept-encoding"} <= set(headers["vary"].split(", "))
    assert not body.startswith(b"\xef\xbb\xbf")
    json_text = write_json(parse_xml(body, FORMS)) if headers["content-type"] == XML_TYPE else body
    resource = json.loads(json_text.decode("utf-8"), parse_float=Decimal)
    if status >= 400:
        check_outcome(resource)
    read_by_another(resource)


def check_outcome(outcome: Json) -> None:
    """An error says which one it is by a code that stays, whatever its words."""
    assert outcome["resourceType"] == "OperationOutcome"
    assert outcome["issue"][0]["severity"] in {"fatal", "error"}, "what stopped the request comes first"
    for issue in outcome["issue"]:
        coding = issue["details"]["coding"][0]
        assert coding["system"] == CODES, issue
        assert coding["code"], issue
        assert issue["details"]["text"], issue


def read_by_another(resource: Json) -> None:
    """Reads a resource, and each one of a Bundle, with fhir.resources; raises its error where that finds a fault."""
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
