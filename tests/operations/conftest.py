"""The servers that the tests of operations on records share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from tests.access_http.house import House, open_house
from tests.rest.server import FHIR_JSON, Server, run_server

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="package")
async def examples(mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]) -> AsyncIterator[Server]:
    """A server with the demo records."""
    async with run_server(mongodb_uri, mongodb_client, VALIDATION="off") as server:
        for file in sorted(EXAMPLES.glob("*.json")):
            answer = await server.client.post("", content=file.read_bytes(), headers={"content-type": FHIR_JSON})
            assert answer.status_code == 200, answer.text
        yield server


@pytest.fixture(scope="package")
async def house(mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]) -> AsyncIterator[House]:
    async with open_house(mongodb_uri, mongodb_client) as opened:
        yield opened
