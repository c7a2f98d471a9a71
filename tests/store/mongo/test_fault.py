"""A database that is away, or about to be, is an answer to the client: soon, and never an internal error."""

from __future__ import annotations

import asyncio

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import BulkWriteError, OperationFailure

from fhir_dmp.outcome import Category, FhirError
from fhir_dmp.store.mongo.document import Document
from fhir_dmp.store.mongo.fault import database_errors
from fhir_dmp.store.mongo.store import MongoStore
from fhir_dmp.store.port import Writer

NOBODY = "mongodb://127.0.0.1:9/?replicaSet=rs0"
LONGEST_SECONDS = 20


async def test_a_transaction_that_begins_with_a_write_ends_soon_where_no_database_is_found() -> None:
    client: AsyncMongoClient[Document] = AsyncMongoClient(NOBODY, serverSelectionTimeoutMS=100)
    store = MongoStore(client, "away")

    async def work(writer: Writer) -> None:
        await writer.guard(["Patient?identifier=1"])

    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            with pytest.raises(FhirError) as refusal:
                await store.transact(work)
    finally:
        await client.close()
    assert refusal.value.category is Category.UNAVAILABLE


def test_a_batch_that_a_database_which_shuts_down_does_not_make_durable_is_unavailable() -> None:
    shutdown = {"code": 91, "codeName": "ShutdownInProgress", "errmsg": "Replication is being shut down"}
    with pytest.raises(FhirError) as refusal, database_errors():
        raise BulkWriteError({"writeErrors": [], "writeConcernErrors": [shutdown], "nInserted": 1})
    assert refusal.value.category is Category.UNAVAILABLE


def test_a_database_that_lets_the_server_in_no_more_is_unavailable() -> None:
    with pytest.raises(FhirError) as refusal, database_errors():
        raise OperationFailure("Authentication failed.", 18)
    assert refusal.value.category is Category.UNAVAILABLE
