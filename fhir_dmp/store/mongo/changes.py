"""Changes: what one process is told of as it is written, by whatever process, over one change stream.

Each stream that is open costs MongoDB a part of every commit, whatever it selects (docs/decisions/0048-one-stream.md).
https://www.mongodb.com/docs/manual/changeStreams/
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConnectionFailure

from fhir_dmp.store.mongo.indexes import RESOURCE
from fhir_dmp.watch import end

Document = dict[str, Any]

_WAIT_MILLISECONDS = 1000
_KEPT = ("ns.coll", "documentKey", "operationType", "fullDocument.pt")
_End = Exception | None
"""What a stream ended with."""


@dataclass(frozen=True, slots=True)
class Concern:
    """What somebody follows: all of some collections, what is inserted into others, and resources of some types."""

    collections: frozenset[str] = frozenset()
    inserted: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()

    def is_met_by(self, event: Document) -> bool:
        """Tells whether an event of the stream is one of these."""
        collection = event.get("ns", {}).get("coll")
        if collection == RESOURCE:
            return bool(self.types) and _type_of(event) in {"", *self.types}
        is_inserted = event["operationType"] == "insert" and collection in self.inserted
        return is_inserted or collection in self.collections


def _type_of(event: Document) -> str:
    """Returns the type of a resource, "" for what happens to the collection, which may concern every type."""
    reference: str = event.get("documentKey", {}).get("_id", "")
    return reference.partition("/")[0]


@dataclass(slots=True, eq=False)
class _Follower:
    concern: Concern
    told: asyncio.Queue[Document | _End] = field(default_factory=asyncio.Queue)

    async def events(self) -> AsyncIterator[Document]:
        """Ends, or raises what it ended with, where the stream does."""
        while isinstance(event := await self.told.get(), dict):
            yield event
        if event:
            raise event


class Changes:
    """The change stream of a process: open from the first who follows to the last."""

    def __init__(self, database: AsyncDatabase[Document], concerns: Sequence[Concern]) -> None:
        """`database` has the read concern of what is durable; `concerns` are all that will be followed."""
        self._database = database
        self._pipeline = _build_pipeline(concerns)
        self._followers: set[_Follower] = set()
        self._opened: asyncio.Future[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def follow(self, concern: Concern) -> AsyncIterator[AsyncIterator[Document]]:
        """Yields the events of a concern that are written from then on: operationType, ns, documentKey and the patient.

        What the stream ends with, a PyMongoError, is raised here or by the events; after that one has to follow anew.
        """
        follower = _Follower(concern)
        self._followers.add(follower)
        try:
            await self._open()
            yield follower.events()
        finally:
            self._followers.discard(follower)
            if not self._followers and self._watching:
                await end(self._watching)

    async def _open(self) -> None:
        if self._opened is None:
            self._opened = asyncio.get_running_loop().create_future()
            self._watching = asyncio.create_task(self._watch(self._opened), name="changes")
        await asyncio.shield(self._opened)

    async def _watch(self, opened: asyncio.Future[None]) -> None:
        ended: _End = None
        try:
            async with await self._database.watch(self._pipeline, max_await_time_ms=_WAIT_MILLISECONDS) as stream:
                opened.set_result(None)
                async for event in stream:
                    self._tell(event)
        except Exception as fault:  # noqa: BLE001  whatever it is, each who follows gets it
            ended = fault
        finally:
            self._opened = self._watching = None
            self._end(opened, ended)

    def _tell(self, event: Document) -> None:
        for follower in self._followers:
            if follower.concern.is_met_by(event):
                follower.told.put_nowait(event)

    def _end(self, opened: asyncio.Future[None], ended: _End) -> None:
        """Tells those who follow, and who waits for the beginning."""
        if not opened.done():
            opened.set_exception(ended or ConnectionFailure("it was ended before it was open"))
            opened.exception()  # nobody may wait for it any more
        for follower in self._followers:
            follower.told.put_nowait(ended)
        self._followers.clear()


def _build_pipeline(concerns: Sequence[Concern]) -> list[Document]:
    collections = frozenset[str]().union(*(concern.collections for concern in concerns))
    inserted = frozenset[str]().union(*(concern.inserted for concern in concerns))
    types = frozenset[str]().union(*(concern.types for concern in concerns))
    alternatives: list[Document] = [
        {"ns.coll": {"$in": sorted(inserted)}, "operationType": "insert"},
        {"ns.coll": {"$in": sorted(collections)}},
        {"ns.coll": RESOURCE, "documentKey._id": {"$regex": f"^({'|'.join(sorted(types))})/"}},
        {"ns.coll": RESOURCE, "documentKey": {"$exists": False}},
    ]
    return [{"$match": {"$or": alternatives}}, {"$project": dict.fromkeys(_KEPT, 1)}]
