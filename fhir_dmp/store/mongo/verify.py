"""Reads the whole database and names everything that is not as it was written: the trace, versions, facts.

It may run beside servers: each batch of resources is read as of one moment, and so is in itself consistent. Events that
are recorded and not yet filed (filing.py) are filed first; those that come meanwhile are filed in any order, and are
followed wherever they are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from pymongo import ASCENDING, DESCENDING, AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.cursor import AsyncCursor

from fhir_dmp.audit.chain import Anchor
from fhir_dmp.audit.proof import Finding, Proof, StoredEvent, check_anchors
from fhir_dmp.search.index import Indexer
from fhir_dmp.store.mongo.audit import ANCHOR, parse_anchor
from fhir_dmp.store.mongo.filing import HASH, Filing
from fhir_dmp.store.mongo.indexes import HISTORY, RECORDED, RESOURCE
from fhir_dmp.store.mongo.invariant import check_resource
from fhir_dmp.store.mongo.recorded import EVENT, EVERYTHING, parse_recorded
from fhir_dmp.store.mongo.store import DURABLE

Document = dict[str, Any]

BATCH = 500
"""Resources that are read at one moment."""
_LAST = "~"
"""Comes after every reference and id."""
_UNFILED = "unfiled"
"""Marks an event that has no facts yet."""


class Verification:
    """One look at a whole database. `events` and `last_anchor` tell afterwards what was proved."""

    def __init__(self, client: AsyncMongoClient[Document], name: str, indexer: Indexer) -> None:
        """`indexer` is the server's: of its base URL and time zone."""
        self._client = client
        self._database = client[name]
        self._indexer = indexer
        self._filing = Filing(client.get_database(name, write_concern=DURABLE), indexer)
        self._proof = Proof(())
        self.last_anchor: Anchor | None = None

    @property
    def events(self) -> int:
        """How many AuditEvents were followed."""
        return self._proof.events

    async def size(self) -> int:
        """Returns about how many versions there are to look at."""
        collections = (self._database[RESOURCE], self._database[HISTORY])
        return sum([await collection.estimated_document_count() for collection in collections])

    async def find(self, known: str, done: Callable[[int], None]) -> AsyncIterator[Finding]:
        """Yields the findings; `known` is an anchor kept elsewhere, or "". Calls `done` with the versions looked at."""
        anchors = await self._read_anchors()
        # what an anchor knows is recorded: then it has to be in its place, or known to be stuck
        await self._filing.file(EVERYTHING)
        for place in await self._filing.stuck():
            yield Finding(place, "it is recorded, but something else stands in its place")
        self.last_anchor = anchors[-1] if anchors else None
        for finding in check_anchors(anchors, known):
            yield finding
        self._proof.learn(anchors)
        after: str | None = ""
        while after is not None:
            async with self._client.start_session(snapshot=True) as session:
                current = await self._read_current(session, after)
                upper = current[-1]["_id"] if len(current) == BATCH else None
                rows = _merge(current, await self._read_unfiled(session, after, upper or _LAST))
                async for finding in self._check_batch(session, rows, _between(after, upper), done):
                    yield finding
            after = upper
        for finding in self._proof.finish():
            yield finding

    async def _read_anchors(self) -> list[Anchor]:
        rows = self._database[ANCHOR].find().sort("_id", ASCENDING)
        return [parse_anchor(row) async for row in rows]

    async def _read_current(self, session: AsyncClientSession, after: str) -> list[Document]:
        rows = self._database[RESOURCE].find({"_id": {"$gt": after}}, session=session)
        return await rows.sort("_id", ASCENDING).limit(BATCH).to_list()

    async def _read_unfiled(self, session: AsyncClientSession, after: str, upper: str) -> list[Document]:
        """Reads the events of a stretch that are recorded only, as documents without facts."""
        stretch = {"_id": {"$lte": _event_of(upper)}, "to": {"$gt": _event_of(after)}}
        rows = await self._database[RECORDED].find(stretch, session=session).to_list()
        events = [event for row in rows for event in parse_recorded(row)]
        documents: list[Document] = [
            {"_id": str(event.version.identity), "b": event.version.content, HASH: event.hash, _UNFILED: True}
            for event in events
        ]
        return [row for row in documents if after < row["_id"] <= upper]

    async def _check_batch(
        self, session: AsyncClientSession, current: list[Document], between: Document, done: Callable[[int], None]
    ) -> AsyncIterator[Finding]:
        """Takes the resources of a batch with their past, and those that are deleted and have a past only."""
        rows = self._database[HISTORY].find({"r": between}, session=session)
        waiting = iter(current)
        row = next(waiting, None)
        async for reference, past in _group(rows.sort([("r", ASCENDING), ("v", DESCENDING)])):
            while row and row["_id"] < reference:
                for finding in await self._check(row["_id"], row, [], done):
                    yield finding
                row = next(waiting, None)
            is_alive = row is not None and row["_id"] == reference
            for finding in await self._check(reference, row if is_alive else None, past, done):
                yield finding
            row = next(waiting, None) if is_alive else row
        for rest in _chain(row, waiting):
            for finding in await self._check(rest["_id"], rest, [], done):
                yield finding

    async def _check(
        self, reference: str, current: Document | None, past: list[Document], done: Callable[[int], None]
    ) -> list[Finding]:
        done(len(past) + (current is not None))
        is_unfiled = current is not None and _UNFILED in current
        findings = [] if is_unfiled else list(check_resource(reference, current, past, self._indexer))
        if current and reference.startswith("AuditEvent/"):
            event = StoredEvent(reference.partition("/")[2], current.get("b", b""), current.get(HASH, b""))
            if not self._proof.knows(event):
                # a writer that began after the anchors were read
                self._proof.learn(await self._read_anchors())
            findings += self._proof.follow(event)
        return findings


def _event_of(reference: str) -> str:
    """Returns the id of an event, or what comes before or after those of all events, as the reference does."""
    resource_type, _, resource_id = reference.partition("/")
    if resource_type == EVENT:
        return resource_id
    return "" if resource_type < EVENT else _LAST


def _merge(current: Sequence[Document], unfiled: Sequence[Document]) -> list[Document]:
    """What is in its place counts, where both are there: it is taken from what is recorded last."""
    rows = {row["_id"]: row for row in (*unfiled, *current)}
    return [rows[reference] for reference in sorted(rows)]


def _between(after: str, upper: str | None) -> Document:
    return {"$gt": after, "$lte": upper} if upper else {"$gt": after}


def _chain(row: Document | None, waiting: Iterator[Document]) -> Iterator[Document]:
    if row:
        yield row
    yield from waiting


async def _group(rows: AsyncCursor[Document]) -> AsyncIterator[tuple[str, list[Document]]]:
    """Yields the past versions of each resource, oldest first."""
    past: list[Document] = []
    async for row in rows:
        if past and past[0]["r"] != row["r"]:
            yield past[-1]["r"], past[::-1]
            past = []
        past.append(row)
    if past:
        yield past[-1]["r"], past[::-1]
