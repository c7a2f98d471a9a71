"""Events that are recorded are found by whatever looks for them, as if they had been filed at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pymongo import AsyncMongoClient, MongoClient
from pymongo.database import Database

from fhir_dmp.access.restriction import Restriction
from fhir_dmp.audit.chain import parse_event_id
from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import Category, FhirError
from fhir_dmp.resource import Identity
from fhir_dmp.search.query import AboutPatient, And, Everything, Has, LinkValue, OfType, SearchQuery
from fhir_dmp.store.mongo import audit, clerk, verify
from fhir_dmp.store.mongo.audit import MongoAuditTrail
from fhir_dmp.store.mongo.filing import Filing
from fhir_dmp.store.mongo.filter import Filter
from fhir_dmp.store.mongo.recorded import about, recorded_before
from fhir_dmp.store.mongo.store import MongoStore
from fhir_dmp.store.mongo.verify import Verification
from fhir_dmp.store.port import HistoryQuery, Reader, Writer
from tests.audit.trail import NOW, event_of, indexer

ALL = Restriction(Everything())
EVENTS = OfType(("AuditEvent",))
QUERY = SearchQuery(("AuditEvent",), EVENTS, count=10)
ENTITY = Has("AuditEvent", "entity", (LinkValue(("DocumentReference/d-1",)),))
DOCUMENTS = 40
Look = Callable[[Reader, Identity], Awaitable[object]]


@dataclass
class Place:
    """A database of this test's own, its store, a writer of its trail whose clerk does nothing, and a look behind."""

    store: MongoStore
    trail: MongoAuditTrail
    documents: Database[dict[str, Any]]

    async def record(self, *events: JsonObject) -> list[Identity]:
        """Records events and returns which they are."""
        return [Identity("AuditEvent", name) for name in await self.trail.record(events or [event_of()])]

    def numbers(self) -> tuple[int, int]:
        """How many events are recorded only, and how many are filed."""
        recorded = sum(len(row["e"]) for row in self.documents["recorded"].find())
        return recorded, self.documents["resource"].count_documents({"ty": "AuditEvent"})


@pytest.fixture
async def place(
    mongodb_uri: str, database_name: str, mongodb_client: MongoClient[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Place]:
    monkeypatch.setattr(clerk, "LATER", 3600.0)
    async with AsyncMongoClient[dict[str, Any]](mongodb_uri) as client:
        store = MongoStore(client, database_name)
        await store.prepare()
        trail = MongoAuditTrail(store.database, indexer(), lambda: NOW)
        store.file_events = trail.filing.file
        yield Place(store, trail, mongodb_client[database_name])
        await trail.close()


async def read_each(reader: Reader, identity: Identity) -> object:
    return await reader.read_each([identity], lambda _: ALL)


LOOKS: dict[str, Look] = {
    "read": lambda reader, identity: reader.read([identity], ALL),
    "read_each": read_each,
    "read_latest": lambda reader, identity: reader.read_latest([identity], ALL),
    "read_version": lambda reader, identity: reader.read_version(identity, 1, ALL),
    "search": lambda reader, _: reader.search(QUERY, ALL),
    "reach": lambda reader, _: reader.reach(QUERY, ALL),
    "count": lambda reader, _: reader.count(EVENTS, ALL, 0),
    "find_ids": lambda reader, _: reader.find_ids(And((EVENTS, ENTITY)), ALL, None, 10),
    "stamps": lambda reader, _: reader.stamps(["p-1"], ["AuditEvent"], ALL),
    "history of one": lambda reader, identity: reader.history(HistoryQuery(10, identity), ALL),
    "history of the type": lambda reader, _: reader.history(HistoryQuery(10, None, ("AuditEvent",)), ALL),
    "history of the system": lambda reader, _: reader.history(HistoryQuery(10), ALL),
    "count_history": lambda reader, identity: reader.count_history(HistoryQuery(10, identity), ALL, 0),
}
"""What looks for events. Estimates come after a search, and nothing is contained in an event."""


@pytest.mark.parametrize("name", LOOKS)
async def test_event_is_found_as_soon_as_it_is_recorded(name: str, place: Place) -> None:
    (identity,) = await place.record()
    assert place.numbers() == (1, 0)
    found = await LOOKS[name](place.store, identity)
    assert place.numbers() == (0, 1)
    assert found == await LOOKS[name](place.store, identity)
    assert str(identity.resource_id) in str(found) or found == 1


@pytest.mark.parametrize("name", ["read", "search", "count_history"])
async def test_event_is_found_inside_a_transaction(name: str, place: Place) -> None:
    (identity,) = await place.record()
    runs = []

    async def work(writer: Writer) -> object:
        runs.append(name)
        return await LOOKS[name](writer, identity)

    assert await place.store.transact(work) == await LOOKS[name](place.store, identity)
    assert len(runs) == 2
    assert place.numbers() == (0, 1)


async def test_what_looks_for_no_event_files_none(place: Place) -> None:
    await place.record()
    other = Identity("Patient", "p-1")
    await place.store.read([other], ALL)
    await place.store.search(SearchQuery(("Patient", "Observation"), Everything(), count=10), ALL)
    await place.store.count(And((OfType(("Patient",)), AboutPatient(("p-1",)))), ALL, 0)
    await place.store.history(HistoryQuery(10, other), ALL)
    await place.store.history(HistoryQuery(10, None, ("Patient",)), ALL)
    assert place.numbers() == (1, 0)


async def test_reader_of_one_record_waits_for_no_other(place: Place) -> None:
    for patient in ("p-1", "p-2", "p-3"):
        await place.record(event_of(1, patient))
    found = await place.store.search(QUERY, Restriction(AboutPatient(("p-2",))))
    assert [version.patient for version in found.versions] == ["p-2"]
    assert place.numbers() == (2, 1)


async def test_events_that_several_file_at_once_are_filed_once(place: Place) -> None:
    await asyncio.gather(*(place.record(event_of(number)) for number in range(60)))
    others = [MongoAuditTrail(place.store.database, indexer(), lambda: NOW) for _ in range(3)]
    await asyncio.gather(*(other.filing.file({}) for other in others))
    assert place.numbers() == (0, 60)
    assert await findings(place) == []


async def test_event_that_was_filed_before_a_crash_is_not_filed_again(place: Place) -> None:
    await place.record()
    (row,) = place.documents["recorded"].find()
    await place.trail.filing.file({})
    place.documents["recorded"].insert_one(row)
    await place.trail.filing.file({})
    assert place.numbers() == (0, 1)
    assert await findings(place) == []


async def test_what_stands_in_the_place_of_an_event_takes_nothing_away(place: Place) -> None:
    (first,) = await place.record()
    chain, _ = parse_event_id(first.resource_id) or ("", 0)
    stranger = {"_id": f"AuditEvent/{chain}-{3:012d}", "ty": "AuditEvent", "b": b"{}"}
    place.documents["resource"].insert_one(stranger)
    await place.record(event_of(1), event_of(2), event_of(3))
    assert await place.store.count(EVENTS, ALL, 0) == 4
    assert place.documents["recorded"].count_documents({"stuck": [stranger["_id"]]}) == 1
    # what comes later is filed, and those that stay are no burden to who looks for events
    await place.record()
    assert await place.store.count(EVENTS, ALL, 0) == 5
    assert f"{stranger['_id']}: it is recorded, but something else stands in its place" in await findings(place)


async def findings(place: Place) -> list[str]:
    verification = Verification(place.store.database.client, place.store.database.name, indexer())
    return [str(finding) async for finding in verification.find("", lambda _: None)]


async def test_events_that_are_recorded_are_proved(place: Place) -> None:
    await place.record(event_of(1), event_of(2))
    await place.trail._anchor()  # noqa: SLF001  as after a while
    assert await findings(place) == []
    await place.record(event_of(3))
    await place.trail._anchor()  # noqa: SLF001  as after a while
    place.documents["recorded"].delete_many({})
    assert [finding.partition(": ")[2] for finding in await findings(place)] == ["event 3 is missing"]


async def test_events_that_are_filed_out_of_turn_meanwhile_are_not_missing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verify looks, while somebody has those of one patient filed, and what was before is recorded only."""
    file, rows = Filing.file, list[JsonObject]()

    async def file_and_go_on(self: Filing, wanted: Filter, most: int = 0) -> int:
        filed = await file(self, wanted, most)
        for patient in ("p-1", "p-2", "p-1"):
            rows.append(event_of(len(rows), patient))
            await place.record(rows[-1])
        await file(self, about(["p-2"]))
        return filed

    await place.record(event_of(1))
    monkeypatch.setattr(Filing, "file", file_and_go_on)
    monkeypatch.setattr(verify, "BATCH", 1)
    assert await findings(place) == []
    assert place.numbers() == (2, 2)
    [removed] = place.documents["recorded"].find({}, limit=1, sort={"_id": 1})
    monkeypatch.setattr(Filing, "file", _file_nothing)
    place.documents["recorded"].delete_one({"_id": removed["_id"]})
    assert [finding.partition(": ")[2] for finding in await findings(place)] == ["event 2 is missing"]


async def _file_nothing(self: Filing, wanted: Filter, most: int = 0) -> int:
    del self, wanted
    return most


async def test_clerk_files_what_nobody_looks_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clerk, "LATER", 0.5)
    # in as many documents: of the next step nothing may still be there that was filed
    for number in range(DOCUMENTS):
        await asyncio.gather(*(place.record(event_of(number)) for _ in range(16)))
    async with asyncio.timeout(30):
        while place.numbers() != (0, 16 * DOCUMENTS):  # noqa: ASYNC110  nobody says when it is there
            await asyncio.sleep(0.01)
    # and begins again
    await place.record()
    async with asyncio.timeout(30):
        while place.numbers()[0]:  # noqa: ASYNC110  nobody says when it is there
            await asyncio.sleep(0.01)


async def test_more_than_may_wait_are_recorded_once_the_clerk_has_filed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clerk, "LATER", 0.0)
    monkeypatch.setattr(clerk, "MOST", 20)
    for _ in range(10):
        await place.record(*(event_of(number) for number in range(10)))
        assert place.numbers()[0] <= 30
    assert sum(place.numbers()) == 100


async def test_nothing_is_answered_where_the_clerk_makes_no_room(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clerk, "MOST", 1)
    monkeypatch.setattr(clerk, "LONGEST_SECONDS", 0.01)
    await place.record()
    with pytest.raises(FhirError) as refusal:
        await place.record()
    assert refusal.value.category is Category.UNAVAILABLE
    assert sum(place.numbers()) == 1


async def test_what_a_process_left_behind_is_filed_by_another(place: Place) -> None:
    await place.record()
    other = MongoAuditTrail(place.store.database, indexer(), lambda: NOW + clerk.LEFT_BEHIND + 1)
    async with other.clerk.working(), asyncio.timeout(30):
        while place.numbers() != (0, 1):  # noqa: ASYNC110  nobody says when it is there
            await asyncio.sleep(0.01)


async def test_only_what_is_old_and_of_others_was_left_behind(place: Place) -> None:
    [event] = await place.record()
    chain = event.resource_id.partition("-")[0]
    file = place.trail.filing.file
    assert await file(recorded_before(NOW, ())) == 0
    assert await file(recorded_before(NOW + 1, (chain,))) == 0
    assert await file(recorded_before(NOW + 1, ("another",))) == 1


async def test_writer_that_ends_has_filed_what_it_recorded(place: Place) -> None:
    await place.record(event_of(1), event_of(2))
    await place.trail.close()
    assert place.numbers() == (0, 2)


async def test_large_events_are_recorded_apart(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_LARGEST", 10_000)
    recorded = await place.record(*(event_of(number) for number in range(9)))
    assert 1 < place.documents["recorded"].count_documents({}) < 9
    assert len(await place.store.read(recorded, ALL)) == 9
    assert await findings(place) == []
