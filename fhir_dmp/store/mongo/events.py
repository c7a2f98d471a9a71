"""Events on MongoDB's change streams: see fhir_dmp.store.event_port.

setting  _id events · holder and until: the lease · token: the place in the stream
                 · lost: whether events are lost of which not all subscribers have been told

What the stream brings is which versions were written, not what they are: a change event has MongoDB's limit of 16 MiB,
and most events concern nobody. https://www.mongodb.com/docs/manual/changeStreams/
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from contextlib import contextmanager
from secrets import token_hex
from typing import Any

from bson import Int64
from pymongo import UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError, OperationFailure

from fhir_dmp.instant import Milliseconds
from fhir_dmp.resource import Identity
from fhir_dmp.store.event_port import HistoryLost, LeaseLost, Notice, Place, Written
from fhir_dmp.store.mongo.fault import database_errors, where_found
from fhir_dmp.store.mongo.indexes import HISTORY, NOTICE, RESOURCE, SETTING
from fhir_dmp.store.mongo.outbox import build_notice

Document = dict[str, Any]

LEASE: Milliseconds = 10_000
"""How long a worker that says nothing keeps the stream."""
_KEY = "events"
_WAIT_MILLISECONDS = 1000
_LOST = frozenset({260, 280, 286})
"""InvalidResumeToken, ChangeStreamFatalError, ChangeStreamHistoryLost."""


class MongoEvents:
    """See the port."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        """`database` has the concerns of what is durable; its collections exist."""
        self._database = database
        self._settings = database[SETTING]
        self._holder = token_hex(8)

    async def hold(self, now: Milliseconds) -> bool:
        """See the port."""
        free = {"_id": _KEY, "$or": [{"until": {"$lt": Int64(now)}}, {"holder": self._holder}]}
        held = {"$set": {"holder": self._holder, "until": Int64(now + LEASE)}}
        try:
            with database_errors():
                await self._settings.update_one(free, held, upsert=True)
        except DuplicateKeyError:
            return False
        return True

    async def release(self) -> None:
        """See the port."""
        with database_errors():
            await self._settings.update_one(self._own(), {"$set": {"until": Int64(0)}})

    async def begin(self) -> None:
        """See the port."""
        with stream_errors():
            if not await self._find_token():
                async with await self._database.watch(_build_pipeline([])) as stream:
                    await self.keep(dict(stream.resume_token or {}), ())

    async def follow(self, resource_types: Collection[str]) -> AsyncGenerator[tuple[Written | None, Place], None]:
        """See the port."""
        pipeline = _build_pipeline(resource_types)
        with stream_errors():
            kept = await self._find_token()
            if not kept:
                raise LeaseLost
            async with await self._database.watch(
                pipeline, resume_after=kept, max_await_time_ms=_WAIT_MILLISECONDS
            ) as stream:
                while stream.alive:
                    event = await stream.try_next()
                    yield _parse_event(event) if event else None, dict(stream.resume_token or {})

    async def keep(self, place: Place, notices: Sequence[Notice]) -> None:
        """See the port."""
        # one that is there already stays as it is: it may have been sent
        rows = [UpdateOne({"_id": row.key}, {"$setOnInsert": build_notice(row)}, upsert=True) for row in notices]

        async def work(session: AsyncClientSession) -> None:
            moved = await self._settings.update_one(self._own(), {"$set": {"token": place}}, session=session)
            if not moved.matched_count:
                raise LeaseLost
            if rows:
                await self._database[NOTICE].bulk_write(rows, session=session)

        with database_errors():
            async with self._database.client.start_session() as session:
                await session.with_transaction(where_found(work))

    async def forget(self) -> None:
        """See the port."""
        with database_errors():
            await self._settings.update_one(self._own(), {"$unset": {"token": ""}, "$set": {"lost": True}})

    async def has_lost(self) -> bool:
        """See the port."""
        with database_errors():
            found = await self._settings.find_one(self._own()) or {}
        return bool(found.get("lost"))

    async def admit(self) -> None:
        """See the port."""
        with database_errors():
            await self._settings.update_one(self._own(), {"$unset": {"lost": ""}})

    async def _find_token(self) -> Document | None:
        found = await self._settings.find_one(self._own()) or {}
        token: Document | None = found.get("token")
        return token

    def _own(self) -> Document:
        return {"_id": _KEY, "holder": self._holder}


@contextmanager
def stream_errors() -> Iterator[None]:
    """Turns what a change stream ends with into HistoryLost, where it cannot be resumed, or a FhirError."""
    try:
        with database_errors():
            yield
    except OperationFailure as fault:
        if fault.code in _LOST:
            raise HistoryLost from fault
        raise


def _build_pipeline(resource_types: Collection[str]) -> list[Document]:
    """New versions are inserted or replace the one before; deletions are inserted into the history."""
    current = {"ns.coll": RESOURCE, "operationType": {"$in": ["insert", "replace"]}}
    deleted = {"ns.coll": HISTORY, "operationType": "insert", "fullDocument.m": "DELETE"}
    wanted = {"fullDocument.ty": {"$in": sorted(resource_types)}, "$or": [current, deleted]}
    kept = ("documentKey", "fullDocument.r", "fullDocument.v", "fullDocument.lu", "fullDocument.m", "fullDocument.pt")
    return [{"$match": wanted}, {"$project": dict.fromkeys(kept, 1)}]


def _parse_event(event: Document) -> Written:
    """The token of an event sorts as the events do."""
    document = event["fullDocument"]
    reference = document.get("r") or event["documentKey"]["_id"]
    order = event["_id"]["_data"]
    identity, patient = Identity(*reference.split("/")), document.get("pt") or ""
    return Written(identity, document["v"], document["m"], int(document["lu"]), order, patient)
