"""Servers that send notifications to this machine, which all tests here share; and an endpoint for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import MongoClient

from fhir_dmp.store.mongo import events
from tests.access_http.house import House, Record, open_house
from tests.delivery.endpoint import Endpoint, open_endpoint

DAY = 24 * 3_600_000


@pytest.fixture(scope="session")
async def house(mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]) -> AsyncIterator[House]:
    with pytest.MonkeyPatch.context() as patch:
        # tests move the clock, at which a lease would go over to the other server: test_worker.py looks at that
        patch.setattr(events, "LEASE", 10 * DAY)
        async with open_house(mongodb_uri, mongodb_client, SUBSCRIPTION_HOSTS="127.0.0.1") as opened:
            yield opened


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with open_endpoint() as opened:
        yield opened


@pytest.fixture
async def record(house: House) -> Record:
    return await house.make_record()
