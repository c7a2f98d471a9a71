"""Vigil: a process learns of every change of a record's directives before the change is acknowledged to its writer.

What decides access is kept in the process; it may be used without asking the database again only while this process
keeps vigil. It does so while three things hold, whatever else fails:

    it watches     a change stream tells it of every Patient and Consent that is written, by whatever process
    it is known    its document in `watcher` stands: no write is acknowledged before every watcher has seen it (Fence)
    it is awake    it renewed that document LEASE_SECONDS ago at the latest: a writer removes the document of a watcher
                   that does not answer, and then waits until that watcher knows that it has been removed

    watcher   _id of a watcher · at when it was last renewed
    fence     _id · seen the watchers that have seen everything that was written before it · at

docs/decisions/0019-vigil.md.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from secrets import token_hex
from typing import Any

from bson import ObjectId
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from fhir_dmp.store.mongo.changes import Changes, Concern
from fhir_dmp.store.mongo.coalesce import Coalescer
from fhir_dmp.store.mongo.fault import database_errors
from fhir_dmp.store.mongo.indexes import FENCE, WATCHER
from fhir_dmp.watch import end

Document = dict[str, Any]
Changed = Callable[[str, str | None], None]
"""Is told what was written: `Type/id` ("": any may have been), and the patient in whose record it is now, if known."""

DIRECTING = frozenset({"Patient", "Consent"})
"""The types that decide who may see a record."""
LEASE_SECONDS = 2.0
ANSWER_SECONDS = 2.0
"""How long a writer waits for a watcher to answer before it removes it."""

_MARGIN_SECONDS = 0.5
_RETRY_SECONDS = 1.0
_FIRST_LOOK, _LAST_LOOK = 0.002, 0.05
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""A clock that goes on while the machine sleeps: a lease ends then too."""
ACCESS = Concern(inserted=frozenset({FENCE}), types=DIRECTING)
"""What a vigil follows."""
_log = logging.getLogger("fhir_dmp.vigil")


class MongoVigil:
    """The vigil of one process: it begins when it is first asked for."""

    def __init__(self, database: AsyncDatabase[Document], changed: Changed, changes: Changes | None = None) -> None:
        """`database` has the concerns of what is durable. `changed` is called before a change is acknowledged.

        `changes` are the process's, where others follow some too.
        """
        self._database = database
        self._changes = changes or Changes(database, [ACCESS])
        self._changed = changed
        self._until = 0.0
        self._task: asyncio.Task[None] | None = None

    def is_kept(self) -> bool:
        """Tells whether `changed` has been told of everything that was acknowledged until now."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name="vigil")
        return time.clock_gettime(_CLOCK) < self._until

    async def aclose(self) -> None:
        """Ends it."""
        if self._task:
            await end(self._task)

    async def _keep(self) -> None:
        while True:
            try:
                await self._stand()
            except Exception as fault:  # noqa: BLE001  whatever it is, access is decided without what is kept
                _log.warning("access is decided without what is kept, until changes can be watched: %r", fault)
            finally:
                self._lose()
            await asyncio.sleep(_RETRY_SECONDS)

    def _lose(self) -> None:
        self._until = 0.0
        self._changed("", None)

    async def _stand(self) -> None:
        """Watches until it is removed or the stream ends. The order matters: it watches, is known, and then forgets.

        What was written before it became known is durable by then, so whatever is read from now on has it.
        """
        name = token_hex(12)
        async with self._changes.follow(ACCESS) as events, self._known(name) as renewing:
            done, _ = await _first_of(asyncio.create_task(self._see_all(events, name)), renewing)
        for task in done:
            task.result()

    @asynccontextmanager
    async def _known(self, name: str) -> AsyncIterator[asyncio.Task[None]]:
        watchers = self._database[WATCHER]
        sent = time.clock_gettime(_CLOCK)
        await watchers.update_one({"_id": name}, {"$currentDate": {"at": True}}, upsert=True)
        self._lose()
        self._until = sent + LEASE_SECONDS
        renewing = asyncio.create_task(self._renew(name))
        try:
            yield renewing
        finally:
            self._until = 0.0
            renewing.cancel()
            with suppress(PyMongoError):
                await watchers.delete_one({"_id": name})

    async def _renew(self, name: str) -> None:
        """Returns when it has been removed, or another member has become primary, which may know less for a moment."""
        primary = await self._database.client.primary
        while True:
            await asyncio.sleep(LEASE_SECONDS / 4)
            sent = time.clock_gettime(_CLOCK)
            renewal = await self._database[WATCHER].update_one({"_id": name}, {"$currentDate": {"at": True}})
            if not renewal.matched_count or await self._database.client.primary != primary:
                return
            self._until = sent + LEASE_SECONDS

    async def _see_all(self, events: AsyncIterator[Document], name: str) -> None:
        # an answer need not survive: that it was seen is what counts, and it was
        fences = self._database.get_collection(FENCE, write_concern=WriteConcern(1))
        async for event in events:
            if event.get("ns", {}).get("coll") == FENCE:
                await fences.update_one({"_id": event["documentKey"]["_id"]}, {"$addToSet": {"seen": name}})
            else:
                self._see(event)

    def _see(self, event: Document) -> None:
        """An insert or a replacement says whose it is; of anything else but a deletion nothing is known."""
        kind, reference = event["operationType"], event.get("documentKey", {}).get("_id", "")
        if kind in {"insert", "replace"}:
            self._changed(reference, event.get("fullDocument", {}).get("pt"))
        else:
            self._changed(reference if kind == "delete" else "", None)


async def _first_of(*tasks: asyncio.Task[None]) -> tuple[set[asyncio.Task[None]], set[asyncio.Task[None]]]:
    """Waits until one ends, and ends the others."""
    try:
        return await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            await end(task)


class Fence:
    """What a writer passes between storing what decides access and acknowledging it."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        """`database` has the concerns of what is durable."""
        self._watchers = database[WATCHER]
        self._fences = database[FENCE]
        # a watcher's answer counts before it is durable
        self._answers = database.get_collection(FENCE, read_concern=ReadConcern("local"))
        self._crossings: Coalescer[str, None] = Coalescer(self._cross)

    async def cross(self) -> None:
        """Returns when no process uses anything older than what was durable at the call."""
        await self._crossings.read([""])

    async def _cross(self, _: list[str]) -> dict[str, None]:
        with database_errors():
            watchers = {row["_id"] for row in await self._watchers.find({}, {"_id": 1}).to_list()}
            if watchers:
                await self._wait_for(watchers)
        return {}

    async def _wait_for(self, watchers: set[str]) -> None:
        fence = ObjectId()
        await self._fences.insert_one({"_id": fence, "at": fence.generation_time})
        latest = time.clock_gettime(_CLOCK) + ANSWER_SECONDS
        pause = _FIRST_LOOK
        while missing := watchers - await self._seen(fence):
            if time.clock_gettime(_CLOCK) > latest:
                await self._remove(missing)
                break
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LAST_LOOK)
        await self._fences.delete_one({"_id": fence})

    async def _seen(self, fence: ObjectId) -> set[str]:
        found = await self._answers.find_one({"_id": fence}) or {}
        return set(found.get("seen", ()))

    async def _remove(self, watchers: set[str]) -> None:
        """Once their documents are gone they can renew nothing, and after a lease they know it."""
        _log.warning("%d processes do not answer to a change of access: they are no longer waited for", len(watchers))
        await self._watchers.delete_many({"_id": {"$in": list(watchers)}})
        await asyncio.sleep(LEASE_SECONDS + _MARGIN_SECONDS)
