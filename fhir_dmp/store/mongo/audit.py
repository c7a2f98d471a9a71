"""The audit trail on MongoDB: see fhir_dmp.store.audit_port, and docs/decisions/0016-audit.md.

Events are recorded with `h`, the hash that ties each to the event before, and soon afterwards filed (filing.py): then
they are resources like others, in the collection `resource`, with facts, and are read and searched as others are.
Anchors are in `audit_anchor`: a MongoDB user that may insert there and not update or remove is all that the server
needs.

    audit_anchor   _id number · c chain · n events · h hash of the last (absent: none yet) · at · a hash of the anchor
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from pymongo import DESCENDING
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError, PyMongoError

from fhir_dmp.audit.chain import Anchor, Head, build_anchor, hash_event, write_event_id
from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.resource import Identity, build_version
from fhir_dmp.search.index import Indexer
from fhir_dmp.store.mongo.clerk import Clerk
from fhir_dmp.store.mongo.coalesce import Coalescer
from fhir_dmp.store.mongo.filing import HASH, Filing
from fhir_dmp.store.mongo.indexes import RECORDED
from fhir_dmp.store.mongo.recorded import EVENT, Recorded, build_recorded, patients_of

Document = dict[str, Any]

ANCHOR = "audit_anchor"
ANCHOR_SECONDS = 10.0
"""How long an event may be without an anchor after it."""
JOINED = 100
"""Events that go out in one command: as many as do not keep the process from other work for long."""

CHAINS = 2
"""Chains of a process, so commits that may be under way at a time: while one is awaited, others prepare the next."""
PATIENCE = 0.001
"""Seconds that events wait for those of interactions under way, where several come at once: a commit takes as long, and
costs more than all else of a read.
"""
_ANCHOR_TRIES = 50
_LARGEST = 4_000_000
"""Bytes of events in one document: a quarter of what MongoDB takes, as one event may be a large one."""
_CHAIN_BYTES = 6
_log = logging.getLogger("fhir_dmp.audit")


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """An event on its way; equal to itself only."""

    event: JsonObject


class MongoAuditTrail:
    """The writer of one process: its requests share commits, and chains of events that are this process's alone."""

    def __init__(
        self,
        database: AsyncDatabase[Document],
        indexer: Indexer,
        now: Callable[[], Milliseconds],
        *,
        anchor_seconds: float = ANCHOR_SECONDS,
    ) -> None:
        """`database` has the write concern of what must be durable (DURABLE), and its collections exist."""
        self.filing = Filing(database, indexer)
        self.clerk = Clerk(self.filing, now)
        self._recorded = database[RECORDED]
        self._anchors = database[ANCHOR]
        self._now = now
        self._anchor_seconds = anchor_seconds
        self._entries = Coalescer(self._commit, largest=JOINED, patience=PATIENCE, flights=CHAINS)
        self._chains: list[Head] = []
        self._unanchored: dict[str, Head] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._anchoring: asyncio.Task[None] | None = None

    def expect(self) -> None:
        """See the port."""
        self._entries.expect()

    def excuse(self) -> None:
        """See the port."""
        self._entries.excuse()

    async def record(self, events: Sequence[JsonObject]) -> Sequence[str]:
        """See the port."""
        entries = [_Entry(event) for event in events]
        found = await self._entries.read(entries) if entries else {}
        return [found[entry] for entry in entries]

    async def close(self) -> None:
        """Anchors what was recorded. Nothing may be recorded afterwards."""
        if self._timer:
            self._timer.cancel()
        if self._anchoring:
            await self._anchoring
        await self._anchor()
        await self.clerk.close()

    async def _commit(self, entries: list[_Entry]) -> Mapping[_Entry, str]:
        """Stores events with one command, in order, so that a chain never has a gap: nobody else has it meanwhile.

        After a failure nobody knows how many were stored: the chain ends there, and the next commit begins another.
        """
        head = self._chains.pop() if self._chains else None
        try:
            await self.clerk.make_room()
            if head is None:
                head = await self._begin()
            events, head = self._build(entries, head)
            documents = [build_recorded(rows) for rows in _divide(events)]
            if len(documents) == 1:
                # costs the driver half of what insert_many does
                await self._recorded.insert_one(documents[0])
            else:
                await self._recorded.insert_many(documents, ordered=True)
        except (PyMongoError, TimeoutError) as fault:
            _log.exception("the audit trail could not be written")
            raise _unavailable() from fault
        self._chains.append(head)
        self._unanchored[head.chain] = head
        self._anchor_soon()
        self.clerk.note(head.chain, len(events))
        ids = (event.version.identity.resource_id for event in events)
        return dict(zip(entries, ids, strict=True))

    def _build(self, entries: list[_Entry], head: Head) -> tuple[list[Recorded], Head]:
        events = []
        for entry in entries:
            event, head = self._build_event(entry.event, head)
            events.append(event)
        return events, head

    def _build_event(self, event: JsonObject, head: Head) -> tuple[Recorded, Head]:
        """Builds what is recorded of the event after `head`, and the head that it is then."""
        number = head.number + 1
        identity = Identity(EVENT, write_event_id(head.chain, number))
        _, version = build_version(event, identity, None, "POST", self._now())
        digest = hash_event(head.hash, version.content or b"")
        return Recorded(version, digest, patients_of(event)), Head(head.chain, number, digest)

    async def _begin(self) -> Head:
        """Begins a chain with an anchor; what the former one has is anchored first."""
        await self._anchor()
        chain = token_hex(_CHAIN_BYTES)
        anchor = await self._append(Head(chain, 0, b""))
        return Head(chain, 0, anchor.hash)

    def _anchor_soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._anchor_seconds, self._start_anchoring)

    def _start_anchoring(self) -> None:
        self._timer = None
        self._anchoring = asyncio.create_task(self._try_to_anchor())

    async def _try_to_anchor(self) -> None:
        try:
            await self._anchor()
        except (PyMongoError, FhirError) as fault:
            # the next commit asks for another anchor, and so does the end of the server
            _log.warning("the audit trail could not be anchored: %s", fault)

    async def _anchor(self) -> None:
        """Anchors the last event of each chain that is stored, unless it is anchored already."""
        heads, self._unanchored = self._unanchored, {}
        while heads:
            chain, head = heads.popitem()
            try:
                await self._append(head)
            except BaseException:
                self._unanchored = {**heads, chain: head, **self._unanchored}
                raise

    async def _append(self, head: Head) -> Anchor:
        """Writes the next anchor; of two writers at once one is second and takes the number after."""
        for _ in range(_ANCHOR_TRIES):
            last = await self._anchors.find_one(sort=[("_id", DESCENDING)])
            anchor = build_anchor(parse_anchor(last) if last else None, head, self._now())
            try:
                await self._anchors.insert_one(build_anchor_document(anchor))
            except DuplicateKeyError:
                continue
            # the log goes elsewhere: it is the copy of the anchor that the database cannot change
            _log.info("audit anchor %s", anchor)
            return anchor
        raise _unavailable()


def _divide(events: Sequence[Recorded]) -> list[list[Recorded]]:
    """Divides events into as many documents as their size needs; nearly always one."""
    parts: list[list[Recorded]] = []
    size = _LARGEST
    for event in events:
        length = len(event.version.content or b"")
        if size + length > _LARGEST:
            parts.append([])
            size = 0
        parts[-1].append(event)
        size += length
    return parts


def _unavailable() -> FhirError:
    message = "The access cannot be recorded now, so nothing is answered; try again shortly."
    return error(Category.UNAVAILABLE, "audit-unavailable", message)


def build_anchor_document(anchor: Anchor) -> Document:
    """Builds the document of an anchor."""
    head = {HASH: anchor.head} if anchor.head else {}
    return {"_id": anchor.number, "c": anchor.chain, "n": anchor.events, **head, "at": anchor.at, "a": anchor.hash}


def parse_anchor(document: Document) -> Anchor:
    """Returns the anchor that a document holds."""
    head = document.get(HASH, b"")
    return Anchor(document["_id"], document["c"], document["n"], head, document["at"], document["a"])
