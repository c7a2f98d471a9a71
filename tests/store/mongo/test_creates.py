"""Creates that arrive while one is under way are stored together, as durably as alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from fhir_dmp.access.restriction import Restriction
from fhir_dmp.resource import Identity, Version
from fhir_dmp.search.facts import Facts
from fhir_dmp.search.query import Everything
from fhir_dmp.store.mongo.store import JOINED, MongoStore
from fhir_dmp.store.port import Change

ALL = Restriction(Everything())


@dataclass
class Inserts(CommandListener):
    """The insert commands that a client sent, each with its documents' ids and its write concern."""

    seen: list[tuple[list[str], dict[str, Any]]] = field(default_factory=list)

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name == "insert":
            ids = [row["_id"] for row in event.command["documents"]]
            self.seen.append((ids, event.command["writeConcern"]))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Says nothing new."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Says nothing new."""


@pytest.fixture
def inserts() -> Inserts:
    return Inserts()


@pytest.fixture
async def store(mongodb_uri: str, database_name: str, inserts: Inserts) -> AsyncIterator[MongoStore]:
    async with AsyncMongoClient[dict[str, Any]](mongodb_uri, event_listeners=[inserts]) as client:
        store = MongoStore(client, database_name)
        await store.prepare()
        yield store


def creation(number: int, size: int = 10) -> Change:
    identity = Identity("Basic", str(number))
    content = b'{"language":"' + b"x" * size + b'"}'
    return Change(Version(identity, 1, 1000, "POST", content), None, Facts("Basic", str(number), 1000))


async def test_creates_that_arrive_together_are_few_commands_and_all_are_there(
    store: MongoStore, inserts: Inserts
) -> None:
    changes = [creation(number) for number in range(250)]
    await asyncio.gather(*(store.insert(change) for change in changes))
    stored = await store.read([change.version.identity for change in changes], ALL)
    assert stored == {change.version.identity: change.version for change in changes}
    assert [len(ids) for ids, _ in inserts.seen] == [100, 100, 50]
    assert [concern for _, concern in inserts.seen] == [{"w": "majority", "j": True}] * 3


async def test_create_is_acknowledged_only_when_it_can_be_read(store: MongoStore) -> None:
    async def create_and_read(number: int) -> bool:
        change = creation(number)
        await store.insert(change)
        return change.version.identity in await store.read([change.version.identity], ALL)

    assert all(await asyncio.gather(*(create_and_read(number) for number in range(50))))


async def test_large_create_goes_alone(store: MongoStore, inserts: Inserts) -> None:
    await asyncio.gather(*(store.insert(creation(number, JOINED)) for number in range(3)))
    assert [len(ids) for ids, _ in inserts.seen] == [1, 1, 1]
