"""The audit trail on a real MongoDB: durable, chained, shared by several writers, read like any resource."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from pymongo import AsyncMongoClient, MongoClient
from pymongo.database import Database
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from fhir_dmp.access.restriction import Restriction
from fhir_dmp.audit.chain import parse_event_id
from fhir_dmp.json_text import parse_json_object
from fhir_dmp.outcome import Category, FhirError
from fhir_dmp.resource import Identity
from fhir_dmp.search.query import Everything, Has, LinkValue, SearchQuery
from fhir_dmp.store.mongo.audit import ANCHOR, MongoAuditTrail
from fhir_dmp.store.mongo.store import MongoStore, connect
from fhir_dmp.store.mongo.verify import Verification
from tests.audit.trail import NOW, event_of, indexer
from tests.rest.server import Server

Documents = Database[dict[str, Any]]
ALL = Restriction(Everything())


@dataclass
class Inserts(CommandListener):
    """The insert commands into a collection that a client sent: how many documents, and the write concern."""

    seen: list[tuple[int, dict[str, Any]]] = field(default_factory=list)

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name == "insert" and event.command["insert"] == "recorded":
            self.seen.append((sum(len(row["e"]) for row in event.command["documents"]), event.command["writeConcern"]))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Says nothing new."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Says nothing new."""


@dataclass
class Place:
    """A database of this test's own, its store, and a way to look at it from behind."""

    uri: str
    name: str
    store: MongoStore
    documents: Documents
    inserts: Inserts

    @asynccontextmanager
    async def writer(self, anchor_seconds: float = 3600) -> AsyncIterator[MongoAuditTrail]:
        """A writer, as each worker process has one; when it ends, its last event is anchored."""
        trail = MongoAuditTrail(self.store.database, indexer(), lambda: NOW, anchor_seconds=anchor_seconds)
        self.store.file_events = trail.filing.file
        yield trail
        await trail.close()

    def ids(self) -> list[str]:
        """The ids of the stored events, in their order."""
        rows = self.documents["resource"].find({"ty": "AuditEvent"}).sort("_id")
        return [row["_id"].removeprefix("AuditEvent/") for row in rows]

    async def findings(self, known: str = "") -> list[str]:
        """What verification finds."""
        async with AsyncMongoClient[dict[str, Any]](self.uri) as client:
            verification = Verification(client, self.name, indexer())
            return [str(finding) async for finding in verification.find(known, lambda _: None)]


@pytest.fixture
async def place(
    mongodb_uri: str, database_name: str, mongodb_client: MongoClient[dict[str, Any]]
) -> AsyncIterator[Place]:
    inserts = Inserts()
    async with AsyncMongoClient[dict[str, Any]](mongodb_uri, event_listeners=[inserts]) as client:
        store = MongoStore(client, database_name)
        await store.prepare()
        yield Place(mongodb_uri, database_name, store, mongodb_client[database_name], inserts)


async def test_events_of_concurrent_requests_go_out_together_and_durably(place: Place) -> None:
    async with place.writer() as trail:
        await asyncio.gather(*(trail.record([event_of(number)]) for number in range(100)))
    assert len(place.ids()) == 100
    # the first flies alone: nothing waits for others
    assert [count for count, _ in place.inserts.seen] == [100]
    assert all(concern == {"w": "majority", "j": True} for _, concern in place.inserts.seen)


async def test_event_is_there_when_record_returns(place: Place) -> None:
    async with place.writer() as trail:

        async def record(number: int) -> bool:
            await trail.record([event_of(number), event_of(number)])
            entity = Has("AuditEvent", "entity", (LinkValue((f"DocumentReference/d-{number}",)),))
            return await place.store.count(entity, ALL, 0) == 2

        assert all(await asyncio.gather(*(record(number) for number in range(30))))


async def test_event_is_read_and_found_like_any_resource(place: Place) -> None:
    async with place.writer() as trail:
        await trail.record([event_of(1), event_of(2)])
    one, two = place.ids()
    version = (await place.store.read([Identity("AuditEvent", one)], ALL))[Identity("AuditEvent", one)]
    resource = parse_json_object(version.content or b"")
    assert resource["id"] == one
    assert resource["meta"]["versionId"] == "1"
    assert resource["entity"] == event_of(1)["entity"]
    entity = Has("AuditEvent", "entity", (LinkValue(("DocumentReference/d-2",)),))
    found = await place.store.search(SearchQuery(("AuditEvent",), entity, count=10), ALL)
    assert [row.identity.resource_id for row in found.versions] == [two]
    assert {row["pt"] for row in place.documents["resource"].find()} == {"p-1"}


async def test_nothing_to_record_writes_nothing(place: Place) -> None:
    async with place.writer() as trail:
        await trail.record([])
    assert place.ids() == []
    assert place.documents[ANCHOR].count_documents({}) == 0


async def test_several_writers_have_a_chain_each_and_one_chain_of_anchors(place: Place) -> None:
    async def write(writer: int) -> None:
        async with place.writer(anchor_seconds=0.001) as trail:
            for number in range(20):
                await asyncio.gather(*(trail.record([event_of(writer * 100 + number)]) for _ in range(3)))

    await asyncio.gather(*(write(writer) for writer in range(4)))
    chains: dict[str, list[int]] = {}
    for resource_id in place.ids():
        chain, number = parse_event_id(resource_id) or ("", 0)
        chains.setdefault(chain, []).append(number)
    assert [numbers for _, numbers in sorted(chains.items())] == [list(range(1, 61))] * 4
    anchors = [row["_id"] for row in place.documents[ANCHOR].find().sort("_id")]
    assert anchors == list(range(1, len(anchors) + 1))
    assert await place.findings() == []


async def test_writer_that_ends_has_anchored_its_last_event(place: Place) -> None:
    async with place.writer() as trail:
        await trail.record([event_of(), event_of()])
    begin, end = place.documents[ANCHOR].find().sort("_id")
    assert (begin["n"], end["n"]) == (0, 2)
    assert end["h"] == place.documents["resource"].find_one({"_id": f"AuditEvent/{place.ids()[-1]}"}, {"h": 1})["h"]  # type: ignore[index]  # it is there


async def test_event_is_anchored_after_a_while_without_another(place: Place) -> None:
    async with place.writer(anchor_seconds=0.001) as trail, asyncio.timeout(30):
        await trail.record([event_of()])
        while place.documents[ANCHOR].count_documents({"n": 1}) == 0:  # noqa: ASYNC110  nobody says when it is there
            await asyncio.sleep(0.01)


async def test_after_a_commit_that_failed_the_trail_goes_on_in_another_chain(place: Place) -> None:
    async with place.writer() as trail:
        await trail.record([event_of(1)])
        (first,) = place.documents["recorded"].find()
        chain, _ = parse_event_id(first["_id"]) or ("", 0)
        # someone has put something where the next one belongs
        place.documents["recorded"].insert_one({"_id": f"{chain}-{2:012d}", "to": "", "e": []})
        with pytest.raises(FhirError) as refusal:
            await trail.record([event_of(2), event_of(3), event_of(4)])
        assert refusal.value.category is Category.UNAVAILABLE
        place.documents["recorded"].delete_one({"_id": f"{chain}-{2:012d}"})
        await trail.record([event_of(5)])
    assert len({(parse_event_id(resource_id) or ("", 0))[0] for resource_id in place.ids()}) == 2
    assert len(place.ids()) == 2
    assert await place.findings() == []


async def test_database_is_proved_while_others_write(place: Place) -> None:
    async with place.writer(anchor_seconds=0.001) as trail:
        await trail.record([event_of()])

        async def write() -> None:
            for number in range(150):
                await trail.record([event_of(number)])

        writing = asyncio.create_task(write())
        while not writing.done():
            assert await place.findings() == []
        await writing
    assert len(place.ids()) == 151


async def test_rest_reads_and_finds_events_and_never_changes_one(server: Server, mongodb_uri: str) -> None:
    async with connect(mongodb_uri) as client:
        store = MongoStore(client, server.database.name)
        trail = MongoAuditTrail(store.database, indexer(), lambda: NOW)
        await trail.record([event_of(number) for number in range(2)])
        await trail.close()
    found = (await server.client.get("AuditEvent?entity=DocumentReference/d-1&patient=p-1")).json()
    event = found["entry"][0]["resource"]
    path = f"AuditEvent/{event['id']}"
    assert (await server.client.get(path)).json() == event
    for attempt in (
        server.client.put(path, json=event),
        server.client.delete(path),
        server.client.post("AuditEvent", json=event),
        server.client.patch(path, json=[], headers={"content-type": "application/json-patch+json"}),
        server.client.delete("AuditEvent?patient=p-1"),
    ):
        assert (await attempt).status_code == httpx.codes.METHOD_NOT_ALLOWED
    batch = {"resourceType": "Bundle", "type": "transaction", "entry": [{"request": {"method": "DELETE", "url": path}}]}
    assert (await server.client.post("", json=batch)).is_client_error
    assert (await server.client.get(path)).json() == event
