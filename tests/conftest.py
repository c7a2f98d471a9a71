"""What tests of every package share: a real MongoDB, and a database of its own for each test."""

from __future__ import annotations

import os
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from pymongo import MongoClient

from fhir_dmp.app import Sources
from fhir_dmp.store.mongo.embedded.embedded_mongo import EmbeddedMongo
from tests.checklist import summarise
from tests.journeys.story import Clock, Story, open_stage
from tests.rest.server import Server, run_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import httpx

# how long an example takes says more of the machine than of what is tested
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints how the statements of the REST and search checklist fared."""
    stats = terminalreporter.stats
    reports = [row for name in ("passed", "failed", "error") for row in stats.get(name, ())]
    text = summarise(row for row in reports if isinstance(row, pytest.TestReport))
    if text:
        terminalreporter.write_line(text)


@pytest.fixture(scope="session")
def mongodb_uri() -> Iterator[str]:
    """The replica set tests run on: FHIR_DMP_TEST_MONGODB_URI, else an embedded one for this (worker's) session."""
    given = os.environ.get("FHIR_DMP_TEST_MONGODB_URI")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="fhir-dmp-") as folder, EmbeddedMongo(Path(folder), cache_gb=0.25) as mongo:
        yield mongo.uri


@pytest.fixture(scope="session")
def mongodb_client(mongodb_uri: str) -> Iterator[MongoClient[dict[str, Any]]]:
    """A synchronous client of that replica set, for what a test prepares and looks at behind the server's back."""
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        yield client


@pytest.fixture
def database_name(mongodb_client: MongoClient[dict[str, Any]]) -> Iterator[str]:
    """The name of a database that is this test's alone, and dropped after it."""
    name = f"test_{uuid.uuid4().hex}"
    yield name
    mongodb_client.drop_database(name)


@pytest.fixture(scope="session")
async def server(mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]) -> AsyncIterator[Server]:
    """A server that all tests share: each uses identifiers of its own."""
    async with run_server(mongodb_uri, mongodb_client) as running:
        yield running


@pytest.fixture(scope="session")
def client(server: Server) -> httpx.AsyncClient:
    """A client of the shared server; paths are below the base (`Patient/1`)."""
    return server.client


FROZEN = 1_767_225_600_000
"""2026-01-01T00:00:00Z, where the clock of a fresh server stands still."""


@pytest.fixture
async def fresh_server(mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]) -> AsyncIterator[Server]:
    """A server on an empty database, whose clock stands still."""
    async with run_server(mongodb_uri, mongodb_client, Sources(now=lambda: FROZEN)) as running:
        yield running


@pytest.fixture
def fresh_client(fresh_server: Server) -> httpx.AsyncClient:
    """A client of the server on an empty database."""
    return fresh_server.client


@pytest.fixture(scope="module")
async def story(mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]) -> AsyncIterator[Story]:
    """A stage for the stories of a module (tests/journeys/story.py): time passes on it, and no other is to notice."""
    async with open_stage(mongodb_uri, mongodb_client, Clock()) as stage:
        yield stage
