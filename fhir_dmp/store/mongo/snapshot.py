"""The whole database at one moment, to be kept elsewhere; and one that was kept, put back into an empty database.

Reads are of one snapshot session: what is written meanwhile is not in it. Documents pass as the bytes that they are.
mongodump would need its tools beside, and has one moment of all collections with the oplog of a replica set only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bson.codec_options import CodecOptions
from bson.json_util import dumps, loads
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.asynchronous.mongo_client import AsyncMongoClient
from pymongo.errors import OperationFailure

from fhir_dmp.store.mongo.indexes import COMPRESSED, FENCE, GUARD, RESTORING, WATCHER
from fhir_dmp.store.mongo.store import DURABLE

Client = AsyncMongoClient[dict[str, Any]]
_OF_PROCESSES = frozenset({FENCE, GUARD, RESTORING, WATCHER})
"""What running processes leave for one another: nothing of it outlives them."""
_TOO_OLD = 239
"""SnapshotTooOld."""
_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)


@dataclass(frozen=True, slots=True)
class Kept:
    """A collection as it is kept: its name, and its indexes as extended JSON."""

    name: str
    indexes: str


class Snapshot:
    """The database as it was when the first of it was read."""

    def __init__(self, database: AsyncDatabase[dict[str, Any]], session: AsyncClientSession) -> None:
        """Reads nothing yet."""
        self._database = database
        self._session = session

    async def size(self) -> int:
        """Returns about how many bytes there are to be read."""
        return int((await self._database.command("dbStats"))["dataSize"])

    async def collections(self) -> list[Kept]:
        """Returns the collections that are to be kept, in the order of their names."""
        names = await self._database.list_collection_names(filter={"type": "collection"})
        kept = sorted(name for name in names if name not in _OF_PROCESSES and not name.startswith("system."))
        return [Kept(name, await self._indexes(name)) for name in kept]

    async def _indexes(self, name: str) -> str:
        return dumps([dict(row) async for row in await self._database[name].list_indexes() if row["name"] != "_id_"])

    async def documents(self, name: str) -> AsyncIterator[bytes]:
        """Yields the documents of a collection, in BSON."""
        async for document in _raw(self._database, name).find({}, session=self._session):
            yield bytes(document.raw)


class MomentLost(Exception):
    """MongoDB keeps what was for a while (5 minutes, unless set), and that was not enough."""


@asynccontextmanager
async def open_snapshot(client: Client, database: str) -> AsyncIterator[Snapshot]:
    """Yields the database as it is now; raises MomentLost where reading it took too long."""
    try:
        async with client.start_session(snapshot=True) as session:
            yield Snapshot(client[database], session)
    except OperationFailure as fault:
        if fault.code != _TOO_OLD:
            raise
        raise MomentLost from fault


class EmptyDatabase:
    """A database that nothing is in, on its way to become what another was."""

    def __init__(self, client: Client, database: str) -> None:
        """Looks at nothing yet."""
        self._client = client
        self._database = client[database]

    async def is_empty(self) -> bool:
        """Tells whether there is no document in it; collections and their indexes may be there."""
        names = await self._database.list_collection_names(filter={"type": "collection"})
        found = [await self._database[name].find_one({}, {"_id": 1}) for name in names if name not in _OF_PROCESSES]
        return not any(found)

    async def begin(self) -> None:
        """Marks what comes as not whole until `end`: no server starts on it."""
        await self._database[RESTORING].with_options(write_concern=DURABLE).insert_one({})

    async def end(self) -> None:
        """All of it is there."""
        await self._database.drop_collection(RESTORING)

    async def clear_unfinished(self) -> None:
        """Takes away what a restore that was killed left."""
        if await self._database[RESTORING].find_one():
            await self.clear()

    async def create(self, kept: Kept) -> None:
        """Creates a collection with its indexes."""
        await self._database.drop_collection(kept.name)
        await self._database.command({"create": kept.name, "storageEngine": COMPRESSED})
        if indexes := loads(kept.indexes):
            await self._database.command({"createIndexes": kept.name, "indexes": indexes})

    async def insert(self, name: str, documents: Sequence[bytes]) -> None:
        """Adds documents in BSON; they are durable when this returns."""
        collection = _raw(self._database, name).with_options(write_concern=DURABLE)
        await collection.insert_many([RawBSONDocument(row, _RAW) for row in documents], ordered=False)

    async def clear(self) -> None:
        """Takes all of it away again; last, that it is not whole."""
        for name in await self._database.list_collection_names(filter={"type": "collection"}):
            if name != RESTORING and not name.startswith("system."):
                await self._database.drop_collection(name)
        await self._client.drop_database(self._database.name)


def _raw(database: AsyncDatabase[dict[str, Any]], name: str) -> AsyncCollection[RawBSONDocument]:
    return AsyncCollection(database, name, codec_options=_RAW)  # type: ignore[arg-type]  # the options say the class
