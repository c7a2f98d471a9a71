"""Filing: what is recorded of accesses gets its facts, and takes its place among the resources.

To record an event means to make it durable, and somebody waits for that; to find its facts costs several times as much,
and nobody needs them before he looks for it (docs/decisions/0042-recorded-then-filed.md). So what looks for events has
those filed first that it might find, and for it all is as if each had been filed at once.

Whoever files, and how often, makes no difference: an event has its place by its id. What is recorded goes only after it
is in its place.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import orjson
from pymongo import ASCENDING
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError

from fhir_dmp.search.index import Indexer
from fhir_dmp.store.mongo.document import build_current
from fhir_dmp.store.mongo.filter import Filter, all_of
from fhir_dmp.store.mongo.indexes import RECORDED, RESOURCE
from fhir_dmp.store.mongo.recorded import Recorded, parse_recorded

Document = dict[str, Any]

HASH = "h"
_AT_ONCE = 4
"""Documents that are filed with one command, of up to a hundred events each."""
_UNBROKEN = 10
"""Events whose facts are found before other requests have their turn."""
_DUPLICATE_KEY = 11000
_NOT_STUCK: Filter = {"stuck": {"$exists": False}}
_log = logging.getLogger("fhir_dmp.audit")


class Filing:
    """Files the events of a database; one of a process at a time."""

    def __init__(self, database: AsyncDatabase[Document], indexer: Indexer) -> None:
        """`database` has the write concern of what must be durable; `indexer` is the server's."""
        self._recorded = database[RECORDED]
        self._resources = database[RESOURCE]
        self._indexer = indexer
        self._turn = asyncio.Lock()

    async def file(self, wanted: Filter, most: int = 0) -> int:
        """Files the events of the documents that a filter selects; returns how many it were.

        Ends once `most` are filed, where it is not 0. Raises PyMongoError; then some are filed.
        """
        filed, after = 0, ""
        while not most or filed < most:
            async with self._turn:
                rows = await self._read(wanted, after)
                if not rows:
                    break
                filed += await self._file(rows)
            after = rows[-1]["_id"]
        return filed

    async def stuck(self) -> Sequence[str]:
        """Returns the places of the events that cannot be filed, as something else stands there."""
        rows = self._recorded.find({"stuck": {"$exists": True}}, {"stuck": 1}).sort("_id", ASCENDING)
        return [place async for row in rows for place in row["stuck"]]

    async def _read(self, wanted: Filter, after: str) -> list[Document]:
        pending = all_of([wanted, {"_id": {"$gt": after}}, _NOT_STUCK])
        return await self._recorded.find(pending).sort("_id", ASCENDING).limit(_AT_ONCE).to_list()

    async def _file(self, rows: Sequence[Document]) -> int:
        events = [event for row in rows for event in parse_recorded(row)]
        documents = await self._build(events)
        refused = await self._insert(documents)
        free = [row["_id"] for row in rows if not self._is_blocked(row, refused)]
        await self._recorded.delete_many({"_id": {"$in": free}})
        if refused:
            await self._set_aside(refused)
        return len(events)

    async def _build(self, events: Sequence[Recorded]) -> list[Document]:
        documents = []
        for place, event in enumerate(events):
            if place % _UNBROKEN == _UNBROKEN - 1:
                await asyncio.sleep(0)
            # what this server wrote is as it should be, and has no decimals
            facts = self._indexer.facts(orjson.loads(event.version.content or b"{}"))
            documents.append({**build_current(event.version, facts), HASH: event.hash})
        return documents

    async def _insert(self, documents: Sequence[Document]) -> list[str]:
        """Returns the places where something stands already that is not this event."""
        try:
            await self._resources.insert_many(documents, ordered=False)
        except BulkWriteError as fault:
            faults = fault.details["writeErrors"]
            if fault.details["writeConcernErrors"] or any(row["code"] != _DUPLICATE_KEY for row in faults):
                raise
            return await self._find_others([documents[row["index"]] for row in faults])
        return []

    async def _find_others(self, documents: Sequence[Document]) -> list[str]:
        places = [document["_id"] for document in documents]
        standing = {
            row["_id"]: row.get(HASH) async for row in self._resources.find({"_id": {"$in": places}}, {HASH: 1})
        }
        return [document["_id"] for document in documents if standing.get(document["_id"]) != document[HASH]]

    @staticmethod
    def _is_blocked(row: Document, refused: Sequence[str]) -> bool:
        return any(row["_id"] <= place.partition("/")[2] <= row["to"] for place in refused)

    async def _set_aside(self, refused: Sequence[str]) -> None:
        """Leaves an event recorded for good: neither it nor what stands in its place is to be lost."""
        for place in refused:
            _log.error("%s cannot be filed: something else stands in its place", place)
            name = place.partition("/")[2]
            row = {"_id": {"$lte": name}, "to": {"$gte": name}}
            await self._recorded.update_one(row, {"$addToSet": {"stuck": place}})
