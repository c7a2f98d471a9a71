"""One worker has the stream; another takes over where it ends, without a gap, and whoever lost it does nothing more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure

from fhir_dmp.access.requester import OPEN, Kind, Requester
from fhir_dmp.app import Sources, open_context
from fhir_dmp.delivery import subscriptions, worker
from fhir_dmp.delivery.worker import deliver_for_ever
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.create import create
from fhir_dmp.interactions.delete import delete
from fhir_dmp.interactions.request import Request
from fhir_dmp.jobs.unsubscribe import unsubscribe
from fhir_dmp.resource import Identity
from fhir_dmp.settings import read_settings
from fhir_dmp.store.event_port import HistoryLost, LeaseLost, Notice, Written
from fhir_dmp.store.mongo import events as stream
from fhir_dmp.store.mongo.events import MongoEvents, stream_errors
from fhir_dmp.store.mongo.store import MongoStore
from fhir_dmp.watch import end
from tests.access_http.house import Clock
from tests.delivery.asking import by_criteria, by_topic, until
from tests.delivery.endpoint import Endpoint, open_endpoint
from tests.rest.server import BASE_URL

Json = Any
OPLOG_ROLLED_OVER = 286
"""ChangeStreamHistoryLost."""
EVENT = Written(Identity("Observation", "1"), 1, "POST", 1, "8265")


@dataclass(slots=True)
class Stage:
    """A server without workers; each test starts its own."""

    context: Context
    database: Database[dict[str, Any]]
    clock: Clock
    workers: list[asyncio.Task[None]] = field(default_factory=list)

    def events(self) -> MongoEvents:
        store = self.context.store
        assert isinstance(store, MongoStore)
        return MongoEvents(store.database)

    def start(self) -> tuple[asyncio.Task[None], MongoEvents]:
        events = self.events()
        self.workers.append(asyncio.create_task(deliver_for_ever(self.context, events)))
        return self.workers[-1], events

    async def store(self, resource: Json) -> str:
        result = await create(self.context, Request(OPEN, resource["resourceType"], resource=resource))
        assert result.version
        return result.version.identity.resource_id


@pytest.fixture
async def stage(
    mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]], database_name: str, tmp_path: Path
) -> AsyncIterator[Stage]:
    given = {"MONGODB_URI": mongodb_uri, "DATABASE": database_name, "DATA_DIR": str(tmp_path), "BASE_URL": BASE_URL}
    given |= {"VALIDATION": "off", "SUBSCRIPTION_HOSTS": "127.0.0.1"}
    clock = Clock()
    settings = read_settings({f"FHIR_DMP_{key}": value for key, value in given.items()})
    async with open_context(settings, Sources(now=clock)) as context:
        opened = Stage(context, mongodb_client[database_name], clock)
        yield opened
        for worker in opened.workers:
            await end(worker)


def observation(number: int) -> Json:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "valueInteger": number}


async def test_another_worker_takes_over_from_one_that_was_killed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_endpoint("200 OK", "", "200 OK") as endpoint:
        first, killed = stage.start()
        # not only the lease: what is written before the place in the stream is kept is nobody's event
        await until(lambda: stage.database.setting.count_documents({"_id": "events", "token": {"$exists": True}}) == 1)
        second, _ = stage.start()
        await stage.store(by_criteria("Observation", endpoint))
        await stage.store(observation(0))
        await endpoint.wait_for(1)
        await stage.store(observation(1))
        await endpoint.wait_for(2)

        async def die_silently() -> None:
            """What is killed gives nothing back."""

        monkeypatch.setattr(killed, "release", die_silently)
        await end(first)
        await stage.store(observation(2))
        stage.clock.now += stream.LEASE + 1
        got = await endpoint.wait_for(4)
        await end(second)
    assert [row.json()["valueInteger"] for row in got] == [0, 1, 1, 2], "what had not been answered comes once more"


async def test_a_worker_that_ends_in_order_gives_the_lease_back(stage: Stage) -> None:
    first, _ = stage.start()
    held = {"_id": "events", "until": {"$gt": 0}}
    await until(lambda: stage.database.setting.count_documents(held) == 1)
    await end(first)
    assert await stage.events().hold(stage.clock.now)


async def test_who_lost_the_lease_keeps_nothing(stage: Stage) -> None:
    first, second = stage.events(), stage.events()
    assert await first.hold(0)
    assert not await second.hold(stream.LEASE)
    assert await first.hold(stream.LEASE)
    assert await second.hold(2 * stream.LEASE + 1)
    assert not await first.hold(2 * stream.LEASE + 1)
    with pytest.raises(LeaseLost):
        await first.keep({"_data": "00"}, [Notice("s", EVENT)])
    assert stage.database.notice.count_documents({}) == 0
    assert "token" not in (stage.database.setting.find_one({"_id": "events"}) or {})


async def test_a_version_is_taken_into_the_outbox_once(stage: Stage) -> None:
    events, outbox, notice = stage.events(), stage.context.outbox, Notice("s", EVENT)
    assert await events.hold(0)
    await events.keep({"_data": "00"}, [notice])
    await outbox.deliver(notice, 1)
    await events.keep({"_data": "01"}, [notice])
    assert await outbox.due(1, []) == []
    assert [row.number for row in await outbox.sent("s", 1, 1, 9)] == [1]


@pytest.mark.parametrize(("status", "asked"), [
    ("active", partial(by_criteria, "Observation")), ("requested", partial(by_topic, "new-document")),
])  # fmt: skip
async def test_where_the_database_forgot_what_was_written_all_subscriptions_say_so(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, status: str, asked: Callable[[Endpoint], Json]
) -> None:
    async with open_endpoint() as endpoint:
        name = await stage.store(asked(endpoint))
        begun = json.loads((stage.database.resource.find_one({"_id": f"Subscription/{name}"}) or {})["b"])
        assert begun["status"] == status
        with pytest.raises(HistoryLost), stream_errors():
            raise OperationFailure("Resume of change stream was not possible", OPLOG_ROLLED_OVER)
        follow, lost = MongoEvents.follow, [HistoryLost()]

        def forget_once(self: MongoEvents, resource_types: Collection[str]) -> Any:
            if lost:
                raise lost.pop()
            return follow(self, resource_types)

        monkeypatch.setattr(MongoEvents, "follow", forget_once)
        stage.start()
        failed = {"_id": f"Subscription/{name}", "v": 2}
        await until(lambda: stage.database.resource.count_documents(failed) == 1)
        stored = json.loads((stage.database.resource.find_one(failed) or {})["b"])
        assert stored["status"] == "error"
        assert "may be missing" in stored["error"]
        await stage.store(by_criteria("Observation", endpoint))
        await until(lambda: not lost)
        await stage.store(observation(0))
        await endpoint.wait_for(1)


async def test_a_loss_that_could_not_be_told_to_all_is_told_by_the_next_worker(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint
) -> None:
    names = [await stage.store(by_criteria("Observation", endpoint)) for _ in range(3)]
    follow, set_status, lost, told = MongoEvents.follow, subscriptions.set_status, [HistoryLost()], list[str]()

    def forget_once(self: MongoEvents, resource_types: Collection[str]) -> Any:
        if lost:
            raise lost.pop()
        return follow(self, resource_types)

    async def killed_at_the_second(context: Context, name: str, status: str, reason: str) -> None:
        told.append(name)
        if len(told) == 2:
            raise InterruptedError
        await set_status(context, name, status, reason)

    monkeypatch.setattr(MongoEvents, "follow", forget_once)
    monkeypatch.setattr(worker, "set_status", killed_at_the_second)
    monkeypatch.setattr(worker, "PAUSE_SECONDS", 0.1)
    stage.start()
    failed = {"_id": {"$in": [f"Subscription/{name}" for name in names]}, "v": 2}
    await until(lambda: stage.database.resource.count_documents(failed) == 3)
    await until(lambda: stage.database.setting.count_documents({"_id": "events", "lost": True}) == 0)
    assert sorted(told[2:]) == sorted({*names} - {told[0]})


@pytest.mark.parametrize("is_deleted", [False, True])
async def test_the_subscriptions_of_a_patient_go_with_his_record(
    stage: Stage, endpoint: Endpoint, *, is_deleted: bool
) -> None:
    """One that he deleted himself has the endpoint and its secrets in its past."""
    patient = Requester(Kind.PATIENT, "Patient/gone", "app", patient_id="gone", scopes=("patient/*.cruds",))
    asked = by_criteria("Observation?status=final", endpoint)
    for who in (patient, replace(patient, name="Patient/stays", patient_id="stays"), OPEN):
        result = await create(stage.context, Request(who, "Subscription", resource=asked))
        assert result.version
        if is_deleted:
            await delete(stage.context, Request(who, "Subscription", result.version.identity.resource_id))
    await unsubscribe(stage.context, "gone")
    kept = [*stage.database["resource"].find({"ty": "Subscription"}), *stage.database["history"].find()]
    left = [row["au"] for row in kept]
    assert len(left) == (4 if is_deleted else 2)
    assert not any("gone" in owner for owner in left)
