"""What the tests of the store on MongoDB share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from fhir_dmp.store.mongo.store import MongoStore, connect


@pytest.fixture
async def store(mongodb_uri: str, database_name: str) -> AsyncIterator[MongoStore]:
    """The store of a database of the test's own."""
    async with connect(mongodb_uri) as client:
        made = MongoStore(client, database_name)
        await made.prepare()
        yield made
