"""The writing half of the store on MongoDB: one transaction, its writes in bulk per collection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any

from pymongo import DeleteOne, ReplaceOne, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError
from pymongo.results import BulkWriteResult

from fhir_dmp.statistics.figures import Opening
from fhir_dmp.store.import_port import Import, Place
from fhir_dmp.store.job_port import Job, JobKind
from fhir_dmp.store.mongo.document import build_current, build_deleted, build_superseded
from fhir_dmp.store.mongo.fault import Stale
from fhir_dmp.store.mongo.filter import Filter
from fhir_dmp.store.mongo.imports import advance
from fhir_dmp.store.mongo.indexes import GUARD, JOB, OPENING
from fhir_dmp.store.mongo.jobs import build_job, parse_job
from fhir_dmp.store.mongo.own import Own
from fhir_dmp.store.mongo.reader import MongoReader
from fhir_dmp.store.mongo.statistics import build_opening
from fhir_dmp.store.port import Change

Document = dict[str, Any]
Step = ReplaceOne[Document] | DeleteOne | UpdateOne

SLOTS = 4096
"""Guard documents. Two keys that share one only wait for each other without need."""

_DUPLICATE_KEY = 11000


class Unfiled(Exception):
    """A transaction looks for events: those that a filter selects have to be filed before it begins (filing.py)."""

    def __init__(self, wanted: Filter) -> None:
        """Keeps the filter."""
        super().__init__("events are looked for")
        self.wanted = wanted


class MongoWriter(MongoReader):
    """A transaction under way."""

    def __init__(
        self,
        database: AsyncDatabase[Document],
        session: AsyncClientSession,
        milliseconds: int,
        own: Callable[[], Own],
        filed: Sequence[Filter] = (),
    ) -> None:
        """`session` has a transaction open; `filed` are the events that were filed before it."""
        super().__init__(database, session, milliseconds, own)
        self._filed = filed
        self._guards = database[GUARD]
        self._jobs = database[JOB]
        self._openings = database[OPENING]
        self.written: set[str] = set()
        """The types of what was written."""
        self.has_scheduled = False
        """Tells whether there is a job that was not there before, or not as it is."""

    async def _look_for_events(self, wanted: Filter | None) -> None:
        """Raises Unfiled: the transaction sees the database as it was when it began."""
        if wanted is not None and wanted not in self._filed:
            raise Unfiled(wanted)

    async def guard(self, keys: Iterable[str]) -> None:
        """See the port. Writing to one document makes MongoDB let only one of two transactions go on."""
        slots = sorted({int.from_bytes(sha256(key.encode()).digest()[:4]) % SLOTS for key in keys})
        if slots:
            touches: list[Step] = [UpdateOne({"_id": slot}, {"$inc": {"n": 1}}, upsert=True) for slot in slots]
            await self._bulk(self._guards, touches)

    async def write(self, changes: Sequence[Change]) -> None:
        """See the port."""
        self.written.update(change.version.identity.resource_type for change in changes)
        first = [change for change in changes if not _lives(change)]
        documents = [_build_document(change) for change in first if change.facts is not None]
        if documents:
            await self._insert(self._resources, documents)
        later = [change for change in changes if _lives(change)]
        if later:
            await self._follow(later)
        past = [row for change in changes for row in _build_past(change)]
        if past:
            await self._insert(self._versions, past)
        revived = [change for change in first if change.previous]
        if revived:
            await self._bulk(self._versions, [_end_deletion(change) for change in revived])

    async def schedule(self, job: Job) -> None:
        """See the port."""
        self.has_scheduled = True
        document = build_job(job)
        await self._jobs.replace_one({"_id": job.key}, document, upsert=True, session=self._session)

    async def find_job(self, kind: JobKind, subject: str) -> Job | None:
        """See the port. It is touched: a worker that takes it meanwhile and this transaction exclude each other."""
        found = await self._jobs.find_one_and_update(
            {"_id": f"{kind.value}:{subject}"}, {"$inc": {"seen": 1}}, session=self._session
        )
        return parse_job(found) if found else None

    async def cancel(self, kind: JobKind, subject: str) -> None:
        """See the port."""
        await self._jobs.delete_one({"_id": f"{kind.value}:{subject}"}, session=self._session)

    async def count_opening(self, opening: Opening) -> None:
        """See the port."""
        await self._openings.insert_one(build_opening(opening), session=self._session)

    async def advance(self, found: Import, after: Place) -> None:
        """See the port."""
        await advance(self._guards.database, self._session, found, after)

    async def _follow(self, changes: Sequence[Change]) -> None:
        """Replaces or removes current versions; each must still be the one that its change follows."""
        steps: list[Step] = [_build_step(change) for change in changes]
        done = await self._bulk(self._resources, steps)
        if done.matched_count + done.deleted_count != len(steps):
            raise Stale

    async def _insert(self, collection: AsyncCollection[Document], documents: list[Document]) -> None:
        try:
            await collection.insert_many(documents, session=self._session, ordered=True)
        except BulkWriteError as fault:
            raise _as_stale(fault) from fault

    async def _bulk(self, collection: AsyncCollection[Document], steps: list[Step]) -> BulkWriteResult:
        try:
            return await collection.bulk_write(steps, session=self._session, ordered=True)
        except BulkWriteError as fault:
            raise _as_stale(fault) from fault


def _lives(change: Change) -> bool:
    """Tells whether the change follows a version that is current, and not a deletion or nothing."""
    return change.previous is not None and change.previous.content is not None


def _build_document(change: Change) -> Document:
    if change.facts is None:
        raise ValueError("a deletion has no current document")
    return build_current(change.version, change.facts)


def _build_step(change: Change) -> ReplaceOne[Document] | DeleteOne:
    number = change.previous.version_id if change.previous else 0
    key = {"_id": str(change.version.identity), "v": number}
    return DeleteOne(key) if change.facts is None else ReplaceOne(key, _build_document(change))


def _build_past(change: Change) -> list[Document]:
    """What a change adds to the history: the version it follows, and itself where it is a deletion."""
    rows = []
    if change.previous and change.previous.content is not None:
        rows.append(build_superseded(change.previous, change.version.last_updated, change.previous_facts))
    if change.version.content is None:
        rows.append(build_deleted(change.version, change.previous_facts))
    return rows


def _end_deletion(change: Change) -> UpdateOne:
    deleted = f"{change.version.identity}/{change.version.version_id - 1}"
    return UpdateOne({"_id": deleted, "su": None}, {"$set": {"su": change.version.last_updated}})


def _as_stale(fault: BulkWriteError) -> Exception:
    """A duplicate key means that another transaction wrote this version first."""
    codes = {row.get("code") for row in (fault.details or {}).get("writeErrors", ())}
    return Stale() if codes == {_DUPLICATE_KEY} else fault
