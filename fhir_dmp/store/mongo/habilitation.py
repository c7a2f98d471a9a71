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
from fhir_dmp.store.mongo.changes import Changes, Concern
from fhir_dmp.store.mongo.fault import explain
from fhir_dmp.store.mongo.store import DURABLE, MAJORITY, Client

Document = dict[str, Any]

HABILITATION = "habilitation"
_TRIES = 50
MATRICES = Concern(collections=frozenset({HABILITATION}))
"""What `changes` follows."""


class MongoMatrices:
    """See MatrixStore."""

    def __init__(self, client: Client, name: str, changes: Changes | None = None) -> None:
        """`name` names the database; nothing is made in it before the first version comes; `changes` the process's."""
        self._database: AsyncDatabase[Document] = client.get_database(
            name, read_concern=MAJORITY, write_concern=DURABLE
        )
        self._versions = self._database[HABILITATION]
        self._changes = changes or Changes(self._database, [MATRICES])

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
        """See the port."""
        with _database_errors():
            async with self._changes.follow(MATRICES) as events:
                yield
                async for _ in events:
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
        raise MatricesUnavailable(explain(fault)) from fault
