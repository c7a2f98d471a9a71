"""The whole server in this process, on a real mongod, with the specification's examples posted to it once."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient
from starlette.types import ASGIApp

from fhir_dmp.app import create_app
from fhir_dmp.settings import read_settings

SHARED = Path(os.environ.get("FHIR_DMP_SHARED", Path(__file__).parents[3] / "shared"))
BASE_URL = "https://dmp.example/fhir"
CONCURRENT = 8


@pytest.fixture(scope="session")
async def server(mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the server. Errors of the application are answers, as they are over HTTP."""
    name = f"test_{uuid.uuid4().hex}"
    settings = {"FHIR_DMP_MONGODB_URI": mongodb_uri, "FHIR_DMP_DATABASE": name, "FHIR_DMP_BASE_URL": BASE_URL}
    app = create_app(read_settings(settings))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with _lifespan(app), httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
        yield client
    mongodb_client.drop_database(name)


@pytest.fixture(scope="session")
async def posted(server: httpx.AsyncClient) -> dict[str, httpx.Response]:
    """What the server answered to each example, by its file; all are there before any is searched for."""
    rows = json.loads((SHARED / "corpus" / "spec-examples.json").read_text(encoding="utf-8"))
    places = asyncio.Semaphore(CONCURRENT)

    async def post(row: dict[str, str]) -> httpx.Response:
        async with places:
            body = (SHARED / "corpus" / row["file"]).read_bytes()
            headers = {"content-type": "application/fhir+json"}
            return await server.post(f"/{row['resourceType']}", content=body, headers=headers)

    answers = await asyncio.gather(*(post(row) for row in rows))
    return {row["file"]: answer for row, answer in zip(rows, answers, strict=True)}


@asynccontextmanager
async def _lifespan(app: ASGIApp) -> AsyncIterator[None]:
    """Runs an application's start and end, each of which must succeed, in one task of their own."""
    to_app: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    to_us: asyncio.Queue[Any] = asyncio.Queue()
    running = asyncio.create_task(app({"type": "lifespan", "asgi": {"version": "3.0"}}, to_app.get, to_us.put))
    await to_app.put({"type": "lifespan.startup"})
    assert (await to_us.get())["type"] == "lifespan.startup.complete"
    yield
    await to_app.put({"type": "lifespan.shutdown"})
    assert (await to_us.get())["type"] == "lifespan.shutdown.complete"
    await running
