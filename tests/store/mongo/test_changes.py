"""One change stream tells each follower what concerns him, and all of them that it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from fhir_dmp.store.mongo.changes import Changes, Concern
from fhir_dmp.store.mongo.indexes import RESOURCE

PATIENTS = Concern(types=frozenset({"Patient"}))
FENCES = Concern(inserted=frozenset({"fence"}))
PACKAGES = Concern(collections=frozenset({"package"}), types=frozenset({"ValueSet"}))
CONCERNS = [PATIENTS, FENCES, PACKAGES]
LAST = ("package", "last")


@pytest.fixture
async def database(mongodb_uri: str, database_name: str) -> AsyncIterator[AsyncDatabase[dict[str, Any]]]:
    async with AsyncMongoClient[dict[str, Any]](mongodb_uri) as client:
        yield client[database_name]


async def _until_last(events: AsyncIterator[dict[str, Any]], last: tuple[str, str]) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    while not found or found[-1][:2] != last:
        event = await asyncio.wait_for(anext(events), 20)
        found.append((event["ns"]["coll"], event["documentKey"]["_id"], event["operationType"]))
    return found


async def test_each_follower_is_told_of_his_concern_alone(database: AsyncDatabase[dict[str, Any]]) -> None:
    changes = Changes(database, CONCERNS)
    async with AsyncExitStack() as stack:
        patients, fences, packages = [await stack.enter_async_context(changes.follow(row)) for row in CONCERNS]
        for reference in ("Patient/1", "ValueSet/1", "Observation/1"):
            await database[RESOURCE].insert_one({"_id": reference, "pt": "1", "b": b"{}"})
        await database["fence"].insert_one({"_id": "first"})
        await database["fence"].update_one({"_id": "first"}, {"$set": {"seen": ["a"]}})
        await database["fence"].insert_one({"_id": "second"})
        await database["package"].insert_one({"_id": "last"})
        await database["package"].delete_one({"_id": "last"})
        await database[RESOURCE].delete_one({"_id": "Patient/1"})
        assert await _until_last(packages, LAST) == [(RESOURCE, "ValueSet/1", "insert"), (*LAST, "insert")]
        assert await _until_last(packages, LAST) == [(*LAST, "delete")]
        assert await _until_last(fences, ("fence", "second")) == [
            ("fence", "first", "insert"),
            ("fence", "second", "insert"),
        ]
        kinds = [(await asyncio.wait_for(anext(patients), 20))["operationType"] for _ in range(2)]
        assert kinds == ["insert", "delete"]


async def test_what_happens_to_all_resources_concerns_each_type(database: AsyncDatabase[dict[str, Any]]) -> None:
    changes = Changes(database, CONCERNS)
    async with changes.follow(PATIENTS) as patients, changes.follow(PACKAGES) as packages:
        await database[RESOURCE].insert_one({"_id": "Observation/1"})
        await database[RESOURCE].drop()
        for events in (patients, packages):
            assert (await asyncio.wait_for(anext(events), 20))["operationType"] == "drop"


async def test_stream_that_ends_ends_for_all_and_can_be_followed_anew(database: AsyncDatabase[dict[str, Any]]) -> None:
    changes = Changes(database, CONCERNS)
    await database["package"].insert_one({"_id": "first"})
    async with changes.follow(PATIENTS) as patients, changes.follow(FENCES) as fences:
        await database.client.drop_database(database.name)
        for events in (patients, fences):
            assert [event async for event in events] == []
    async with changes.follow(PACKAGES) as packages:
        await database["package"].insert_one({"_id": "last"})
        assert await _until_last(packages, LAST) == [(*LAST, "insert")]


async def test_stream_that_cannot_be_opened_is_nobodys() -> None:
    nowhere = AsyncMongoClient[dict[str, Any]]("mongodb://127.0.0.1:1", serverSelectionTimeoutMS=50)
    changes = Changes(nowhere["nothing"], CONCERNS)
    with pytest.raises(PyMongoError):
        async with changes.follow(PATIENTS):
            pytest.fail("it is not open")
    await nowhere.close()


async def test_all_followers_share_a_stream_and_it_ends_with_the_last(
    database: AsyncDatabase[dict[str, Any]],
) -> None:
    changes = Changes(database, CONCERNS)
    async with changes.follow(PATIENTS):
        async with changes.follow(FENCES), changes.follow(PACKAGES):
            assert await _streams(database) == 1
        assert await _streams(database) == 1
    async with asyncio.timeout(20):
        while await _streams(database):  # noqa: ASYNC110  nobody says when it is closed
            await asyncio.sleep(0.05)


async def _streams(database: AsyncDatabase[dict[str, Any]]) -> int:
    """How many change streams are open on a database."""
    asked = {"$currentOp": {"idleCursors": True}}
    of_stream = {"$match": {"ns": {"$regex": f"^{database.name}\\."}, "cursor.tailable": True}}
    found = await database.client.admin.aggregate([asked, of_stream])
    return len(await found.to_list())


async def test_who_joins_while_the_opening_is_given_up_is_told_so(database: AsyncDatabase[dict[str, Any]]) -> None:
    changes = Changes(database, CONCERNS)

    async def follow(concern: Concern) -> None:
        async with changes.follow(concern):
            await asyncio.sleep(60)

    first = asyncio.create_task(follow(PATIENTS))
    await asyncio.sleep(0)
    first.cancel()
    second = asyncio.create_task(follow(FENCES))
    with pytest.raises(PyMongoError):
        await asyncio.wait_for(second, 20)
    with pytest.raises(asyncio.CancelledError):
        await first
