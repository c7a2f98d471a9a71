"""A server that has had the specification's examples posted to it, once for all tests here."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests.rest.server import BASE_URL, FHIR_JSON, run_server

SHARED = Path(os.environ.get("FHIR_DMP_SHARED", Path(__file__).parents[3] / "shared"))
CONCURRENT = 8


@pytest.fixture(scope="session")
async def corpus_client(
    mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server of their own, without the shared one's checks: the examples are not all R4B, nor French."""
    async with run_server(mongodb_uri, mongodb_client, VALIDATION="core") as server:
        transport = httpx.ASGITransport(app=server.app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
            yield client


@pytest.fixture(scope="session")
async def posted(corpus_client: httpx.AsyncClient) -> dict[str, httpx.Response]:
    """What the server answered to each example, by its file; all are there before any is searched for."""
    rows = json.loads((SHARED / "corpus" / "spec-examples.json").read_text(encoding="utf-8"))
    places = asyncio.Semaphore(CONCURRENT)

    async def post(row: dict[str, str]) -> httpx.Response:
        async with places:
            body = (SHARED / "corpus" / row["file"]).read_bytes()
            return await corpus_client.post(
                f"/{row['resourceType']}", content=body, headers={"content-type": FHIR_JSON}
            )

    answers = await asyncio.gather(*(post(row) for row in rows))
    return {row["file"]: answer for row, answer in zip(rows, answers, strict=True)}
