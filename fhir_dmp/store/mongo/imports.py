"""Imports on MongoDB: see fhir_dmp.store.import_port.

import           _id · who JSON · url · ck the content while it is needed · size · at · ends · done
                 · place [offset, line, stored, refused] · gone when MongoDB may drop it
import.refused   _id {i the import, n the line} · o OperationOutcome · gone likewise
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from bson import Int64
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase

from fhir_dmp.instant import Milliseconds
from fhir_dmp.store.import_port import Import, Overtaken, Place
from fhir_dmp.store.mongo.fault import database_errors
from fhir_dmp.store.mongo.indexes import IMPORT, REFUSED

Document = dict[str, Any]

_LONGEST = timedelta(days=30)
"""How long anything of an import is there, whatever becomes of it."""
_GRACE = timedelta(hours=1)
"""By how much MongoDB may drop one later than it ends: its clock is not the server's."""


class MongoImports:
    """See the port."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        """`database` has the write concern of what must be durable; its collections exist."""
        self._imports = database[IMPORT]
        self._refused = database[REFUSED]

    async def begin(self, found: Import) -> None:
        """See the port."""
        document = {
            "_id": found.import_id,
            "who": orjson.dumps(found.owner),
            "url": found.url,
            "ck": found.key,
            "size": Int64(found.size),
            "at": Int64(found.began),
            "ends": Int64(found.ends),
            "done": False,
            "place": _write(found.place),
            "gone": datetime.now(UTC) + _LONGEST,
        }
        with database_errors():
            await self._imports.insert_one(document)

    async def find(self, import_id: str) -> Import | None:
        """See the port."""
        with database_errors():
            found = await self._imports.find_one({"_id": import_id})
        return _parse(found) if found else None

    async def refuse(self, found: Import, after: Place, outcome: bytes) -> None:
        """See the port. The outcome first: a crash in between leaves it to be written again, by the same name."""
        row = {"o": outcome, "gone": datetime.now(UTC) + _LONGEST}
        with database_errors():
            await self._refused.update_one({"_id": {"i": found.import_id, "n": after.line}}, {"$set": row}, upsert=True)
            await advance(self._imports.database, None, found, after)

    async def end(self, import_id: str, ends: Milliseconds) -> None:
        """See the port."""
        gone = datetime.fromtimestamp(ends / 1000, UTC) + _GRACE
        change = {"$set": {"done": True, "ends": Int64(ends), "gone": gone}, "$unset": {"ck": ""}}
        with database_errors():
            await self._refused.update_many(_of(import_id), {"$set": {"gone": gone}})
            await self._imports.update_one({"_id": import_id}, change)

    async def remove(self, import_id: str) -> None:
        """See the port."""
        with database_errors():
            await self._imports.delete_one({"_id": import_id})
            await self._refused.delete_many(_of(import_id))

    async def outcomes(self, import_id: str) -> AsyncIterator[bytes]:
        """See the port."""
        with database_errors():
            async for row in self._refused.find(_of(import_id), {"o": 1}).sort("_id"):
                yield bytes(row["o"])


async def advance(
    database: AsyncDatabase[Document], session: AsyncClientSession | None, found: Import, after: Place
) -> None:
    """Moves an import on from where it was found; raises Overtaken where it is there no more."""
    place = {"$set": {"place": _write(after)}}
    done = await database[IMPORT].update_one(
        {"_id": found.import_id, "place": _write(found.place)}, place, session=session
    )
    if done.matched_count == 0:
        raise Overtaken


def _of(import_id: str) -> Document:
    """The rows of one import, by the order of `_id` alone."""
    return {"_id": {"$gt": {"i": import_id, "n": Int64(-1)}, "$lt": {"i": import_id, "n": Int64(2**62)}}}


def _write(place: Place) -> list[Int64]:
    return [Int64(number) for number in astuple(place)]


def _parse(document: Document) -> Import:
    return Import(
        import_id=document["_id"],
        owner=orjson.loads(document["who"]),
        url=document["url"],
        key=document.get("ck", ""),
        size=int(document["size"]),
        began=int(document["at"]),
        ends=int(document["ends"]),
        place=Place(*map(int, document["place"])),
        is_done=document["done"],
    )
