"""Two servers that differ in one thing: from the database of the second, what a requester may not see was removed.

Both are the whole FHIR endpoint on a real mongod, with one clock, one source of ids and one secret of cursors; who
asks is said by the test. Their answers are compared byte for byte.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from fhir_dmp.access.requester import OPEN, Requester
from fhir_dmp.app import Sources, open_context
from fhir_dmp.authentication.certificate import parse_proxies
from fhir_dmp.interactions import batch, trace
from fhir_dmp.interactions.cache import DIRECTORY
from fhir_dmp.interactions.context import Context
from fhir_dmp.resource import Identity
from fhir_dmp.rest.fhir import FhirEndpoint
from fhir_dmp.rest.request import BodyLimits
from fhir_dmp.search.page import Cursors
from fhir_dmp.settings import read_settings
from fhir_dmp.store.mongo.store import DURABLE
from fhir_dmp.store.port import Writer
from fhir_dmp.xml.form import Forms
from tests.access_http.hiding import Hidden
from tests.access_http.world import Stored
from tests.rest.server import Answer, Pairs
from tests.strategies.access import BASE_URL, NOW

SECRET = b"the same for both"
MAX_BODY = 1_000_000


@dataclass(slots=True)
class Impersonation:
    """Takes whoever the test names for whoever asks."""

    requester: Requester = OPEN

    async def authenticate(self, headers: Mapping[bytes, str], peer: str) -> Requester:  # noqa: ARG002  as the protocol
        """Returns the requester that the test named."""
        return self.requester


@dataclass(slots=True)
class Clock:
    """The time, and ids that tell which request made them."""

    now: int = NOW
    request: int = 0
    made: int = 0

    def begin(self, request: int) -> None:
        self.request, self.made = request, 0

    def new_id(self) -> str:
        self.made += 1
        return f"new-{self.request}-{self.made}"


@dataclass(slots=True)
class Side:
    """One server and its database."""

    context: Context
    endpoint: FhirEndpoint
    database: Database[dict[str, Any]]
    clock: Clock
    impersonation: Impersonation = field(default_factory=Impersonation)

    async def ask(
        self,
        requester: Requester,
        method: str,
        target: str,
        headers: Pairs = (),
        body: bytes = b"",
        *,
        request: int = 0,
    ) -> Answer:
        """Sends a request of someone; `target` is below the base, without a slash in front."""
        self.impersonation.requester = requester
        self.clock.begin(request)
        sent: list[Any] = []
        chunks = [body]

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": chunks.pop() if chunks else b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        path, _, query = f"/fhir/{target}".rstrip("/").partition("?")
        scope = {
            "type": "http", "method": method, "path": unquote(path), "raw_path": path.encode(),
            "query_string": query.encode(), "client": ("127.0.0.1", 1),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
        }  # fmt: skip
        await self.endpoint(scope, receive, send)
        start, *bodies = sent
        shown = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], shown, b"".join(message.get("body", b"") for message in bodies))

    def clear(self) -> None:
        """Empties the store from behind, and makes the server forget what it kept of it."""
        for name in ("resource", "history"):
            self.database[name].delete_many({})
        self.context.cache.forget_record("", None)
        self.context.cache.forget(DIRECTORY)

    async def fill(self, stored: Mapping[Identity, Sequence[Stored]]) -> None:
        """Stores all versions, as the server itself writes them: all first ones, all second ones, and so on."""
        self.clear()
        for number in range(max(map(len, stored.values()))):
            changes = [rows[number].change for rows in stored.values() if len(rows) > number]

            async def write(writer: Writer) -> None:
                await writer.write(changes)  # noqa: B023  awaited before the next round

            await self.context.store.transact(write)

    def copy_without(self, other: Side, hidden: Hidden) -> None:
        """Makes this database that of another server from which what is hidden was physically removed."""
        self.clear()
        gone = {str(identity) for identity in hidden.resources}
        lost = {f"{identity}/{number}" for identity, number in hidden.versions}
        current = [row for row in other.database.resource.find() if row["_id"] not in gone]
        past = [row for row in other.database.history.find() if row["r"] not in gone and row["_id"] not in lost]
        for name, rows in (("resource", current), ("history", past)):
            if rows:
                self.database[name].insert_many(rows)


@asynccontextmanager
async def open_sides(
    mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]], folder: Path, count: int = 2, **changed: str
) -> AsyncIterator[list[Side]]:
    """Runs servers on databases of their own, which are dropped afterwards; `changed` are settings without prefix."""
    with pytest.MonkeyPatch.context() as patch:
        # what hides how long a refusal takes would only make thousands of them slow
        patch.setattr(trace, "REFUSAL_SECONDS", 0.0)
        # entries one after another, so that both sides give the same ids to the same resources
        patch.setattr(batch, "CONCURRENT", 1)
        async with _open_sides(mongodb_uri, mongodb_client, folder, count, changed) as sides:
            yield sides


@asynccontextmanager
async def _open_sides(
    mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]], folder: Path, count: int, changed: Mapping[str, str]
) -> AsyncIterator[list[Side]]:
    async with AsyncExitStack() as stack:
        names = [f"test_{uuid.uuid4().hex}" for _ in range(count)]
        yield [await _open_side(stack, mongodb_uri, mongodb_client, folder, name, changed) for name in names]
    for name in names:
        mongodb_client.drop_database(name)


async def _open_side(
    stack: AsyncExitStack, uri: str, client: MongoClient[dict[str, Any]], folder: Path, name: str,
    changed: Mapping[str, str],
) -> Side:  # fmt: skip
    given = {"MONGODB_URI": uri, "DATABASE": name, "DATA_DIR": str(folder), "BASE_URL": BASE_URL, "VALIDATION": "off"}
    settings = read_settings({f"FHIR_DMP_{key}": value for key, value in {**given, **changed}.items()})
    clock, impersonation = Clock(), Impersonation()
    sources = Sources(now=lambda: clock.now, new_id=clock.new_id)
    context = await stack.enter_async_context(open_context(settings, sources))
    # the trace of what was refused is no answer: test_leak_channels.py looks at it
    context = replace(context, cursors=Cursors(SECRET), trail=None)
    proxies, limits = parse_proxies("", "Client-Cert"), BodyLimits(MAX_BODY, 30)
    endpoint = FhirEndpoint(context, impersonation, proxies, limits, limits, "/fhir", Forms(context.registry))
    return Side(context, endpoint, client.get_database(name, write_concern=DURABLE), clock, impersonation)
