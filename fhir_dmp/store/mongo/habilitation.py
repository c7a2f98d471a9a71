"""Habilitation matrices in MongoDB, for all servers of a database: fhir_dmp.habilitation.port.

habilitation   _id number · v version · at since when · s shipped · t table as JSON

Only inserted, never updated: two that come at once want the same number, and one of them has to look again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError, PyMongoError

from fhir_dmp.habilitation.port import Kept, MatricesUnavailable, VersionTaken
from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import JsonObject, parse_json_object, write_json
from fhir_dmp.store.mongo.store import DURABLE, MAJORITY, Client

Document = dict[str, Any]

HABILITATION = "habilitation"
_TRIES = 50
_WAIT_MILLISECONDS = 1000


class MongoMatrices:
    """See MatrixStore."""

    def __init__(self, client: Client, name: str) -> None:
        """`name` is the database's. Nothing is made in it before the first version comes."""
        self._database: AsyncDatabase[Document] = client.get_database(
            name, read_concern=MAJORITY, write_concern=DURABLE
        )
        self._versions = self._database[HABILITATION]

    async def current(self) -> Kept | None:
        """See the port."""
        with _database_errors():
            document = await self._versions.find_one(sort=[("_id", DESCENDING)])
        return _parse(document) if document else None

    async def kept(self) -> Sequence[Kept]:
        """See the port."""
        with _database_errors():
            return [_parse(document) async for document in self._versions.find().sort("_id", ASCENDING)]

    async def put_in_force(self, table: JsonObject, at: Milliseconds, *, is_shipped: bool) -> Kept:
        """See the port."""
        for _ in range(_TRIES):
            kept = await self.kept()
            if kept and kept[-1].table == table:
                return kept[-1]
            if any(row.version == table["version"] and row.table != table for row in kept):
                raise VersionTaken(f"another table is kept as version {table['version']}")
            number = kept[-1].number + 1 if kept else 1
            row = Kept(number, table["version"], at, table, is_shipped)
            try:
                with _database_errors():
                    await self._versions.insert_one(_build(row))
            except DuplicateKeyError:
                continue
            return row
        raise MatricesUnavailable("other versions come all the time")

    async def changes(self) -> AsyncIterator[None]:
        """See the port: a change stream, https://www.mongodb.com/docs/manual/changeStreams/."""
        pipeline: list[Document] = [{"$project": {"_id": 1}}]
        with _database_errors():
            async with await self._versions.watch(pipeline, max_await_time_ms=_WAIT_MILLISECONDS) as stream:
                yield
                async for _ in stream:
                    yield


def _build(row: Kept) -> Document:
    return {
        "_id": row.number,
        "v": row.version,
        "at": row.since,
        "s": row.is_shipped,
        "t": write_json(row.table),
    }


def _parse(document: Document) -> Kept:
    table = parse_json_object(document["t"])
    return Kept(document["_id"], document["v"], document["at"], table, document["s"])


@contextmanager
def _database_errors() -> Iterator[None]:
    try:
        yield
    except DuplicateKeyError:
        raise
    except PyMongoError as fault:
        raise MatricesUnavailable(" ".join(str(fault).split())[:300]) from fault
