"""What the local issuer remembers, on a real mongod."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import AsyncMongoClient, MongoClient

from fhir_dmp.issuer.state import Item
from fhir_dmp.store.mongo.issuer import COLLECTION, SWEEP, MongoGrantState

NOW = 1_767_225_600_000


@pytest.fixture
async def state(mongodb_uri: str, database_name: str) -> AsyncIterator[MongoGrantState]:
    """A state without anything in it."""
    async with AsyncMongoClient[dict[str, Any]](mongodb_uri) as client:
        prepared = MongoGrantState(client[database_name])
        await prepared.prepare()
        yield prepared


async def test_item_is_found_until_it_expires(state: MongoGrantState) -> None:
    assert await state.put(Item.CODE, "a", {"x": [1]}, NOW + 10, NOW)
    assert await state.find(Item.CODE, "a", NOW + 9) == {"x": [1]}
    assert await state.find(Item.CODE, "a", NOW + 10) is None
    assert await state.find(Item.REFRESH, "a", NOW) is None
    assert await state.find(Item.CODE, "b", NOW) is None


async def test_item_is_taken_once_and_still_found(state: MongoGrantState) -> None:
    await state.put(Item.CODE, "a", {"x": 1}, NOW + 10, NOW)
    taken = await asyncio.gather(*(state.take(Item.CODE, "a", NOW) for _ in range(20)))
    assert [value for value in taken if value] == [{"x": 1}]
    assert await state.find(Item.CODE, "a", NOW) == {"x": 1}
    assert await state.take(Item.CODE, "a", NOW + 10) is None


async def test_what_is_there_stays_as_it_is(state: MongoGrantState) -> None:
    stored = await asyncio.gather(*(state.put(Item.ASSERTION, "a", {"n": n}, NOW + 10, NOW) for n in range(20)))
    assert sum(stored) == 1
    assert not await state.put(Item.ASSERTION, "a", {}, NOW + 99, NOW + 9)
    assert await state.put(Item.ASSERTION, "a", {"n": 99}, NOW + 99, NOW + 10)
    assert await state.find(Item.ASSERTION, "a", NOW + 11) == {"n": 99}


async def test_no_secret_is_stored_and_what_has_expired_is_removed(
    state: MongoGrantState, mongodb_client: MongoClient[dict[str, Any]], database_name: str
) -> None:
    collection = mongodb_client[database_name][COLLECTION]
    await state.put(Item.REFRESH, "the secret", {}, NOW + 10, NOW)
    assert "the secret" not in str(collection.find_one())
    await state.put(Item.REFRESH, "other", {}, NOW + 2 * SWEEP, NOW + SWEEP + 1)
    assert collection.count_documents({}) == 1
