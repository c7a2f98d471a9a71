"""From when on an export may miss something."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fhir_dmp.store.bulk_port import Export, Part
from fhir_dmp.store.mongo import bulk
from fhir_dmp.store.mongo.bulk import LONGEST, MongoExports
from fhir_dmp.store.mongo.indexes import EXPORT
from fhir_dmp.store.mongo.store import MongoStore

NOW = 1_800_000_000_000
SECONDS = 0.3


async def test_a_transaction_that_is_under_way_counts_from_its_beginning(store: MongoStore) -> None:
    client = store.database.client
    async with client.start_session() as session, await session.start_transaction():
        await store.database["resource"].insert_one({"_id": "Observation/1"}, session=session)
        await asyncio.sleep(SECONDS)
        settled = await MongoExports(store.database).settled(NOW)
    assert NOW - LONGEST < settled <= NOW - SECONDS * 1000


async def test_where_nobody_may_ask_it_is_as_long_ago_as_a_transaction_lasts(
    store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[dict[str, Any]] = [{"$currentOp": {"allUsers": "not for this user"}}]
    monkeypatch.setattr(bulk, "_OPEN", refused)
    assert await MongoExports(store.database).settled(NOW) == NOW - LONGEST


async def test_an_export_that_an_older_server_began_is_settled_as_long_ago_as_a_transaction_lasts(
    store: MongoStore,
) -> None:
    exports = MongoExports(store.database)
    await exports.begin(Export("1", {}, {}, began=NOW, settled=NOW), ends=NOW + LONGEST)
    await store.database[EXPORT].update_one({"_id": "1"}, {"$unset": {"settled": ""}})
    found = await exports.find("1")
    assert found is not None
    assert found.settled == NOW - LONGEST


async def test_a_worker_that_was_overtaken_adds_no_file_a_second_time(store: MongoStore) -> None:
    exports = MongoExports(store.database)
    asked = Export("1", {}, {}, began=NOW, settled=NOW)
    await exports.begin(asked, ends=NOW + LONGEST)
    file = Part("Observation", "", "Observation/9")
    await exports.advance(asked, file, (1, ""))
    await exports.end("1")
    await exports.advance(asked, file, (1, ""))
    await exports.end("1", {"code": "internal"})
    found = await exports.find("1")
    assert found is not None
    assert found.parts == (file,)
    assert found.fault is None
