"""Renewal: a task of a running server that gives resources the facts of parameters that came, or takes them away.

What is left to do is told by the documents, so a server that ends in the middle loses nothing: whichever runs goes on.
One server of a database works at a time, as long as it says so (`setting`, `_id` renewal); if two did, each document
would still be written as its version asks for.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from pymongo.errors import DuplicateKeyError, PyMongoError

from fhir_dmp.instant import Milliseconds
from fhir_dmp.search.index import Indexer
from fhir_dmp.search.space import SearchSpace
from fhir_dmp.store.mongo.indexes import FORM, RESOURCE, SETTING
from fhir_dmp.store.mongo.reindex import BATCH, Reindexing
from fhir_dmp.store.mongo.store import MongoStore
from fhir_dmp.watch import end

LOOK_SECONDS = 2.0
"""How often a server looks whether there is something to do."""
_HELD_MILLISECONDS = 30_000
_TOLD = 50
"""Batches between two lines of the log."""

_log = logging.getLogger("fhir_dmp.renewal")


class Renewal:
    """See the module."""

    def __init__(
        self, store: MongoStore, space: SearchSpace, indexer: Indexer, now: Callable[[], Milliseconds]
    ) -> None:
        """`space` and `indexer` are those that the server searches and writes with."""
        self._store, self._space, self._now = store, space, now
        client, name = store.database.client, store.database.name
        self._reindexing = Reindexing(client, name, indexer, is_complete=False)
        self._holder = secrets.token_hex(8)
        self._checked: object = None
        self._seen: set[str] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Works for the length of a `with`."""
        task = asyncio.create_task(self._run(), name="renewal")
        try:
            yield
        finally:
            await end(task)

    async def remaining(self, resource_type: str) -> int:
        """Returns how many resources of a type are still to be indexed, and can be."""
        form = self._space.form(resource_type) or None
        wanted = {"ty": resource_type, "f": {"$ne": form}, "_id": {"$nin": list(self._seen)}}
        return await self._store.database[RESOURCE].count_documents(wanted, hint=FORM)

    async def _run(self) -> None:
        while True:
            try:
                await self._renew()
            except PyMongoError as fault:
                _log.warning("indexing for search parameters goes on in %g s: %s", LOOK_SECONDS, fault)
            await asyncio.sleep(LOOK_SECONDS)

    async def _renew(self) -> None:
        """After a change all types are looked at, and always those that have parameters of the server's own."""
        own = self._space.own
        types = self._space.resource_types if own is not self._checked else tuple(own)
        for resource_type in types:
            if await self.remaining(resource_type) and await self._hold():
                await self._renew_type(resource_type)
        self._checked = own

    async def _renew_type(self, resource_type: str) -> None:
        form, done = self._space.form(resource_type), 0
        while form == self._space.form(resource_type) and await self._hold():
            left = await self._reindexing.renew(resource_type, form, self._seen)
            if left is None:
                return
            self._seen.update(left)
            done += 1
            if done % _TOLD == 0:
                _log.info("%s: about %d resources indexed for search parameters", resource_type, done * BATCH)

    async def _hold(self) -> bool:
        """Tells whether this server may work, and says that it does."""
        now = self._now()
        free = {"_id": "renewal", "$or": [{"until": {"$lt": now}}, {"holder": self._holder}]}
        held = {"$set": {"holder": self._holder, "until": now + _HELD_MILLISECONDS}}
        try:
            await self._store.database[SETTING].update_one(free, held, upsert=True)
        except DuplicateKeyError:
            return False
        return True
