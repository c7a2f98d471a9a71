"""Rebuilding facts leaves every document as it was first written, whatever happens to the database meanwhile."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo import MongoClient
from pymongo.database import Database

from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.resource import Identity, Version, build_deletion, build_version
from fhir_dmp.search.facts import EXTRACTOR_VERSION, Facts
from fhir_dmp.search.index import Indexer
from fhir_dmp.store.mongo.audit import MongoAuditTrail
from fhir_dmp.store.mongo.document import build_current
from fhir_dmp.store.mongo.facts import build_fields
from fhir_dmp.store.mongo.reindex import BATCH, FACT_FIELDS, Reindexing, read_base_url, register_server
from fhir_dmp.store.mongo.store import MongoStore, connect
from fhir_dmp.store.mongo.verify import Verification
from fhir_dmp.store.port import Change, Writer
from tests.audit.trail import NOW, event_of, indexer
from tests.rest.server import FHIR_JSON, Server, run_both
from tests.strategies.access import reference
from tests.strategies.access_worlds import make_item

Json = Any
Documents = Database[dict[str, Any]]
COLLECTIONS = ("resource", "history")
BASE_URL = "http://testserver/fhir"


@pytest.fixture
def documents(mongodb_client: MongoClient[dict[str, Any]], database_name: str) -> Documents:
    return mongodb_client[database_name]


@pytest.fixture
async def both(mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]) -> AsyncIterator[tuple[Server, Server]]:
    async with run_both(mongodb_uri, mongodb_client) as servers:
        yield servers


def next_change(identity: Identity, previous: Version | None, **members: Json) -> Change:
    """The next version of a resource."""
    resource = {"resourceType": identity.resource_type, **members}
    stamped, version = build_version(resource, identity, previous, "PUT" if previous else "POST", NOW)
    before = indexer().facts(content_of(previous)) if previous and previous.content else None
    return Change(version, previous, indexer().facts(stamped), before)


async def write(store: MongoStore, *changes: Change) -> Version:
    async def work(writer: Writer) -> None:
        await writer.write(changes)

    await store.transact(work)
    return changes[-1].version


def observation(number: int, **members: Json) -> Change:
    return next_change(Identity("Observation", f"o-{number}"), None, subject=reference("Patient/p"), **members)


def everything(documents: Documents) -> list[Json]:
    """Every document of both collections, in order."""
    return [row for name in COLLECTIONS for row in documents[name].find().sort("_id")]


def make_stale(documents: Documents, **wanted: Json) -> None:
    """Leaves facts as an extractor of another version might have: fewer, others, and one that is no more."""
    for name in COLLECTIONS:
        gone = dict.fromkeys(sorted(FACT_FIELDS - {"x", "op"}), "")
        documents[name].update_many(wanted, {"$unset": gone, "$set": {"x": EXTRACTOR_VERSION - 1, "op": 5}})


async def reindex(
    database: str, uri: str, *, is_complete: bool = False, found_by: Indexer | None = None
) -> tuple[int, int, list[str]]:
    """How many documents were rebuilt, how many are stale still, and what could not be rebuilt."""
    async with connect(uri) as client:
        run = Reindexing(client, database, found_by or indexer(), is_complete=is_complete)
        findings = [str(finding) async for finding in run.run(lambda _: None)]
        return run.rebuilt, await run.finish(), findings


async def verify(database: str, uri: str) -> list[str]:
    async with connect(uri) as client:
        return [str(found) async for found in Verification(client, database, indexer()).find("", lambda _: None)]


async def test_a_restricted_requester_finds_again_what_had_stale_facts(
    both: tuple[Server, Server], mongodb_uri: str
) -> None:
    behind, guarded = both
    content = {
        "status": "final",
        "code": {"text": "x"},
        "subject": reference("Patient/p"),
        "effectiveDateTime": "2020-01-01",
    }
    await put(behind, {"resourceType": "Patient", "id": "p", "active": True, "birthDate": "1970-01-01"})
    for name in ("kept", "gone"):
        for status in ("preliminary", "final"):
            await put(behind, {"resourceType": "Observation", "id": name, **content, "status": status})
    await behind.client.delete("Observation/gone")
    own, other = guarded.tokens.patient("p"), guarded.tokens.patient("q")

    async def seen(headers: dict[str, str]) -> list[int]:
        targets = ("Observation?patient=p", "Observation/kept/_history", "Observation/gone/_history")
        answers = [await guarded.client.get(target, headers=headers) for target in targets]
        return [total(answer) for answer in answers]

    assert await seen(own) == [1, 2, 3]
    before = [row for row in everything(behind.database) if row["ty"] == "Observation"]
    make_stale(behind.database, ty="Observation")
    assert await seen(own) == [0, 0, 0]
    assert await reindex(behind.database.name, mongodb_uri) == (5, 0, [])
    assert await seen(own) == [1, 2, 3]
    assert await seen(other) == [0, 0, 0]
    assert [row for row in everything(behind.database) if row["ty"] == "Observation"] == before


async def put(server: Server, resource: Json) -> None:
    target = f"{resource['resourceType']}/{resource['id']}"
    answer = await server.client.put(target, json=resource, headers={"content-type": FHIR_JSON})
    assert answer.status_code in {200, 201}, answer.text


def total(answer: httpx.Response) -> int:
    """How many a Bundle names; an answer that hides is 0."""
    return int(answer.json()["total"]) if answer.status_code == 200 else 0


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**64))
def test_facts_are_those_of_the_content_whatever_stood_there(
    mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]], seed: int
) -> None:
    random, database = Random(seed), mongodb_client[f"test_{uuid.uuid4().hex}"]
    rows = [build_document(make_item(random, number)) for number in range(30)]
    unique = list({row["_id"]: row for row in rows}.values())
    database["resource"].delete_many({})
    database["resource"].insert_many([spoil(random, row) for row in unique])
    assert asyncio.run(reindex(database.name, mongodb_uri))[1:] == (0, [])
    assert everything(database) == sorted(unique, key=lambda row: row["_id"])
    database["resource"].delete_many({})
    database["resource"].insert_many([{**spoil(random, row), "x": EXTRACTOR_VERSION} for row in unique])
    assert asyncio.run(reindex(database.name, mongodb_uri, is_complete=True)) == (len(unique), 0, [])
    assert everything(database) == sorted(unique, key=lambda row: row["_id"])
    mongodb_client.drop_database(database.name)


def build_document(resource: JsonObject) -> dict[str, Any]:
    identity = Identity(resource["resourceType"], resource["id"])
    stamped, version = build_version(resource, identity, None, "POST", NOW)
    facts = indexer().facts(stamped)
    assert build_fields(facts).keys() <= FACT_FIELDS
    return build_current(version, facts)


def spoil(random: Random, document: dict[str, Any]) -> dict[str, Any]:
    """The document with some facts removed, and some that are not its own; of another version, or of none."""
    kept = {name: value for name, value in document.items() if name not in FACT_FIELDS or random.random() < 0.5}
    wrong: dict[str, Any] = {"t": ["a"], "pt": "other", "cf": 9, "dl": 1, "op": 2, "k": ["~flag>x"], "q": []}
    kept |= {name: value for name, value in wrong.items() if random.random() < 0.3}
    kept.pop("x", None)
    return kept | random.choice(({}, {"x": EXTRACTOR_VERSION - 1}, {"x": EXTRACTOR_VERSION + 1}))


class Overtaken(Indexer):
    """An indexer that, between reading and writing of a resource, lets something else happen to it."""

    def __init__(self, happens: Callable[[str], None]) -> None:
        super().__init__(indexer().space)
        self._happens = happens

    def facts(self, resource: JsonObject) -> Facts:
        self._happens(resource["id"])
        return indexer().facts(resource)


async def test_an_update_between_reading_and_writing_wins(
    store: MongoStore, documents: Documents, mongodb_uri: str
) -> None:
    first = [await write(store, observation(number, status="final")) for number in range(3)]
    make_stale(documents)
    newer = next_change(first[1].identity, first[1], status="amended")
    assert newer.facts
    written = build_current(newer.version, newer.facts)

    def happens(resource_id: str) -> None:
        if resource_id == "o-1":
            documents["resource"].replace_one({"_id": written["_id"]}, written)
        if resource_id == "o-2":
            documents["resource"].delete_one({"_id": "Observation/o-2"})

    async with connect(mongodb_uri) as client:
        run = Reindexing(client, documents.name, Overtaken(happens), is_complete=False)
        assert [finding async for finding in run.run(lambda _: None)] == []
        assert (run.rebuilt, run.overtaken, await run.finish()) == (1, 2, 0)
    assert documents["resource"].find_one({"_id": written["_id"]}) == written
    assert documents["resource"].find_one({"_id": "Observation/o-2"}) is None


async def test_writers_and_reindex_at_the_same_time_leave_a_database_that_is_proved(
    store: MongoStore, documents: Documents, mongodb_uri: str
) -> None:
    last = {number: await write(store, observation(number, status="final")) for number in range(20)}
    make_stale(documents)

    async def update(numbers: range) -> None:
        for step in range(5):
            for number in numbers:
                last[number] = await follow(store, last[number], step)

    async def rebuild() -> None:
        for _ in range(5):
            await reindex(documents.name, mongodb_uri, is_complete=True)

    await asyncio.gather(update(range(10)), update(range(10, 20)), rebuild())
    assert (await reindex(documents.name, mongodb_uri))[1:] == (0, [])
    assert await verify(documents.name, mongodb_uri) == []
    assert [last[number].version_id for number in range(20)] == [6 if number % 5 else 7 for number in range(20)]
    assert documents["history"].count_documents({}) == 20 * 5 + 4


async def follow(store: MongoStore, previous: Version, step: int) -> Version:
    """The next version; of some resources, at the end, their deletion and their return."""
    identity = previous.identity
    if step == 4 and int(identity.resource_id[2:]) % 5 == 0:
        deletion = build_deletion(previous, NOW)
        await write(store, Change(deletion, previous, None, indexer().facts(content_of(previous))))
        previous = deletion
    return await write(store, next_change(identity, previous, subject=reference(f"Patient/{step}")))


def content_of(version: Version) -> JsonObject:
    return parse_json_object(version.content or b"")


async def test_the_trail_stays_as_it_is_and_is_proved(
    store: MongoStore, documents: Documents, mongodb_uri: str
) -> None:
    trail = MongoAuditTrail(store.database, indexer(), lambda: NOW)
    for number in range(5):
        await trail.record([event_of(number)])
    await trail.close()
    before = everything(documents)
    make_stale(documents)
    assert len(await verify(documents.name, mongodb_uri)) == 5
    assert await reindex(documents.name, mongodb_uri) == (5, 0, [])
    assert await verify(documents.name, mongodb_uri) == []
    assert everything(documents) == before


async def test_a_run_that_was_ended_is_resumed(store: MongoStore, documents: Documents, mongodb_uri: str) -> None:
    await write(store, *(observation(number) for number in range(BATCH + 50)))
    before = everything(documents)
    make_stale(documents)

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    run = Reindexing(store.database.client, documents.name, indexer(), is_complete=False)
    with pytest.raises(KeyboardInterrupt):
        _ = [finding async for finding in run.run(stop)]
    assert await reindex(documents.name, mongodb_uri) == (50, 0, [])
    assert everything(documents) == before


async def test_past_versions_that_never_had_facts_get_their_own(
    store: MongoStore, documents: Documents, mongodb_uri: str
) -> None:
    first = await write(store, observation(1, status="final"))
    last = await write(store, next_change(first.identity, first, status="amended"))
    await write(store, Change(build_deletion(last, NOW), last, None, None))
    documents["history"].update_many({}, {"$unset": dict.fromkeys(FACT_FIELDS, "")})
    assert await reindex(documents.name, mongodb_uri) == (3, 0, [])
    assert [row.get("pt") for row in documents["history"].find().sort("v")] == ["p", None, None]
    assert await verify(documents.name, mongodb_uri) == []


async def test_what_cannot_be_rebuilt_is_told_and_stops_nothing(
    store: MongoStore, documents: Documents, mongodb_uri: str
) -> None:
    deleted = await write(store, *(observation(number, status="final") for number in range(5)))
    documents["history"].insert_one({"_id": "Nothing/a/1", "x": 0})
    facts = indexer().facts(content_of(deleted))
    await write(store, Change(build_deletion(deleted, NOW), deleted, None, facts))
    make_stale(documents)
    documents["resource"].update_one({"_id": "Observation/o-0"}, {"$set": {"b": b"{"}})
    documents["resource"].update_one({"_id": "Observation/o-1"}, {"$set": {"b": b'{"resourceType":"Patient"}'}})
    # the database refuses facts for this one, as it does where a document would get too large
    documents.command("collMod", "resource", validator={"$nor": [{"_id": "Observation/o-2", "x": EXTRACTOR_VERSION}]})
    documents["history"].delete_one({"_id": "Observation/o-4/1"})
    unread, refused = "its content cannot be read: it keeps its facts", "it keeps its facts: Document failed validation"
    rebuilt, stale, findings = await reindex(documents.name, mongodb_uri)
    assert (rebuilt, stale) == (1, 5), "that of o-3"
    expected = {f"Observation/{name}": unread for name in ("o-0", "o-1", "o-4/2")}
    expected |= {"Observation/o-2": refused, "Nothing/a/1": unread}
    assert len(findings) == len(expected)
    for name, reason in expected.items():
        assert any(found.startswith(f"{name}: {reason}") for found in findings), findings


async def test_a_server_learns_that_there_may_be_stale_facts(
    store: MongoStore, documents: Documents, mongodb_uri: str
) -> None:
    client, name = store.database.client, documents.name
    assert not await register_server(client, name, BASE_URL), "an empty database"
    await write(store, observation(1))
    assert not await register_server(client, name, BASE_URL)
    documents["setting"].delete_one({"_id": "facts"})
    make_stale(documents)
    assert await register_server(client, name, BASE_URL), "a database of a version that noted nothing"
    assert await register_server(client, name, "http://other/fhir"), "until it is reindexed"
    assert await reindex(name, mongodb_uri) == (1, 0, [])
    assert not await register_server(client, name, "http://other/fhir")
    assert await read_base_url(client, name) == "http://other/fhir"
    documents["setting"].update_one({"_id": "facts"}, {"$addToSet": {"forms": EXTRACTOR_VERSION + 1}})
    assert await register_server(client, name, BASE_URL), "a server of another version has written"
