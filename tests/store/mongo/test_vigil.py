"""What is kept of a record is forgotten before the change of it is acknowledged, in every process, whatever fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

from fhir_dmp.resource import Identity, Version
from fhir_dmp.search.facts import Facts
from fhir_dmp.store.mongo import vigil as module
from fhir_dmp.store.mongo.indexes import FENCE, WATCHER
from fhir_dmp.store.mongo.store import MongoStore, connect
from fhir_dmp.store.mongo.vigil import MongoVigil
from fhir_dmp.store.port import Change, Writer

PATIENT, CONSENT = Identity("Patient", "p"), Identity("Consent", "c")
Told = list[tuple[str, str | None]]


@asynccontextmanager
async def _process(uri: str, name: str) -> AsyncIterator[MongoStore]:
    async with connect(uri) as client:
        store = MongoStore(client, name)
        await store.prepare()
        yield store


@pytest.fixture
async def processes(mongodb_uri: str, database_name: str) -> AsyncIterator[tuple[MongoStore, MongoStore]]:
    """Two processes on one database: one that writes, and one that keeps vigil."""
    async with AsyncExitStack() as stack:
        writing, watching = [await stack.enter_async_context(_process(mongodb_uri, database_name)) for _ in range(2)]
        yield writing, watching


async def _until(is_so: Callable[[], bool]) -> None:
    for _ in range(2000):
        if is_so():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it has not come to be so in 20 seconds")


@asynccontextmanager
async def _watching(store: MongoStore, told: Told) -> AsyncIterator[MongoVigil]:
    vigil = MongoVigil(store.database, lambda reference, patient: told.append((reference, patient)))
    try:
        await _until(vigil.is_kept)
        yield vigil
    finally:
        await vigil.aclose()


def _change(identity: Identity, number: int = 1, *, patient: str = "p", previous: Version | None = None) -> Change:
    content = None if number == 0 else b"{}"
    version = Version(identity, previous.version_id + 1 if previous else 1, 1000 + number, "PUT", content)
    facts = Facts(*identity, version.last_updated, patient=patient)
    return Change(version, previous, facts if content else None)


async def _write(store: MongoStore, change: Change) -> Version:
    async def work(writer: Writer) -> None:
        await writer.write([change])

    await store.transact(work)
    return change.version


async def test_each_kind_of_write_is_told_before_it_is_acknowledged(
    processes: tuple[MongoStore, MongoStore],
) -> None:
    writing, watching = processes
    told: Told = []
    async with _watching(watching, told):
        await writing.insert(_change(PATIENT))
        assert told[-1] == ("Patient/p", "p")
        first = await _write(writing, _change(CONSENT))
        assert told[-1] == ("Consent/c", "p")
        second = await _write(writing, _change(CONSENT, 2, patient="q", previous=first))
        assert told[-1] == ("Consent/c", "q")
        await _write(writing, _change(CONSENT, 0, previous=second))
        assert told[-1:] == [("Consent/c", None)]


async def test_what_is_written_past_the_server_is_told_of_too(processes: tuple[MongoStore, MongoStore]) -> None:
    writing, watching = processes
    told: Told = []
    await writing.insert(_change(PATIENT))
    async with _watching(watching, told):
        told.clear()
        await writing.database["resource"].update_one({"_id": "Patient/p"}, {"$set": {"pt": "q"}})
        await _until(lambda: bool(told))
    assert told[0] == ("", None)


async def test_beginning_and_ending_forgets_all(processes: tuple[MongoStore, MongoStore]) -> None:
    _, watching = processes
    told: Told = []
    async with _watching(watching, told) as vigil:
        assert told == [("", None)]
    assert told[-1] == ("", None)
    assert not vigil.is_kept()
    await vigil.aclose()
    assert await watching.database[WATCHER].count_documents({}) == 0


async def test_a_writer_waits_for_a_process_that_does_not_answer_until_it_knows_that_it_is_not_waited_for(
    processes: tuple[MongoStore, MongoStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def see_nothing(*_: object) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(MongoVigil, "_see_all", see_nothing)
    writing, watching = processes
    told: Told = []
    async with _watching(watching, told) as vigil:
        told.clear()
        began = time.monotonic()
        await writing.insert(_change(PATIENT))
        # it may have begun anew meanwhile, and then it has forgotten
        assert told == [("", None)] * len(told)
        assert told or not vigil.is_kept()
        assert time.monotonic() - began > module.LEASE_SECONDS
        assert await writing.database[FENCE].count_documents({}) == 0


async def test_a_process_that_was_removed_forgets_and_begins_anew(
    processes: tuple[MongoStore, MongoStore],
) -> None:
    writing, watching = processes
    told: Told = []
    async with _watching(watching, told) as vigil:
        await writing.database[WATCHER].delete_many({})
        await _until(lambda: not vigil.is_kept())
        await _until(vigil.is_kept)
        await writing.insert(_change(PATIENT))
        assert told[-1] == ("Patient/p", "p")
        assert told.count(("", None)) > 1


async def test_nobody_is_waited_for_where_nobody_keeps_vigil(processes: tuple[MongoStore, MongoStore]) -> None:
    writing, _ = processes
    await writing.insert(_change(PATIENT))
    assert await writing.database[FENCE].count_documents({}) == 0


async def test_a_vigil_that_ends_does_not_wait_for_a_driver_that_takes_its_end_for_a_failed_attempt() -> None:
    async def connect_again() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        await asyncio.sleep(3600)

    connecting = asyncio.create_task(connect_again())
    ended = asyncio.create_task(asyncio.sleep(0))
    async with asyncio.timeout(10):
        done, _ = await module._first_of(connecting, ended)  # noqa: SLF001  when mongod is away is not to be met at will
    assert done == {ended}
    assert connecting.cancelled()
