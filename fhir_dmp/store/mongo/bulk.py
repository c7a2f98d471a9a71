"""Exports on MongoDB: see fhir_dmp.store.bulk_port.

export   _id · who JSON · asked JSON · at · settled · parts [{ty, after, until}] · place [types done, after] · done
         · fault JSON · gone when MongoDB may drop it
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

import orjson
from bson import Int64
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import JsonObject
from fhir_dmp.store.bulk_port import Export, Part
from fhir_dmp.store.mongo.fault import database_errors
from fhir_dmp.store.mongo.indexes import EXPORT

Document = dict[str, Any]

LONGEST: Milliseconds = 60_000
"""How long MongoDB lets a transaction last."""
_OPEN: list[Document] = [
    {"$currentOp": {"idleSessions": True}},
    {"$match": {"transaction.timeOpenMicros": {"$exists": True}}},
    {"$group": {"_id": None, "longest": {"$max": "$transaction.timeOpenMicros"}}},
]
"""The transactions of this user's that are under way, whichever process began them."""


class MongoExports:
    """See the port."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        """`database` has the write concern of what must be durable; its collections exist."""
        self._exports = database[EXPORT]
        self._admin = database.client.admin

    async def settled(self, now: Milliseconds) -> Milliseconds:
        """See the port."""
        with database_errors():
            try:
                rows = await (await self._admin.aggregate(_OPEN)).to_list()
            except OperationFailure:
                # this user may not ask what is under way
                return now - LONGEST
        return now - ceil(rows[0]["longest"] / 1000) if rows else now

    async def begin(self, export: Export, ends: Milliseconds) -> None:
        """See the port."""
        document = {
            "_id": export.export_id,
            "who": orjson.dumps(export.owner),
            "asked": orjson.dumps(export.asked),
            "at": Int64(export.began),
            "settled": Int64(export.settled),
            "parts": [],
            "place": list(export.place),
            "done": False,
            "gone": datetime.now(UTC) + timedelta(milliseconds=ends - export.began),
        }
        with database_errors():
            await self._exports.insert_one(document)

    async def find(self, export_id: str) -> Export | None:
        """See the port."""
        with database_errors():
            found = await self._exports.find_one({"_id": export_id})
        return _parse(found) if found else None

    async def advance(self, found: Export, part: Part | None, place: tuple[int, str]) -> None:
        """See the port. Both at once: a crash leaves no part that the place does not know of."""
        change: Document = {"$set": {"place": list(place)}}
        if part:
            row = {"ty": part.resource_type, "after": part.after, "until": part.until}
            change["$push"] = {"parts": row}
        with database_errors():
            await self._exports.update_one({"_id": found.export_id, "place": list(found.place), "done": False}, change)

    async def end(self, export_id: str, fault: JsonObject | None = None) -> None:
        """See the port."""
        why = {"fault": orjson.dumps(fault)} if fault else {}
        with database_errors():
            await self._exports.update_one({"_id": export_id, "done": False}, {"$set": {"done": True, **why}})

    async def remove(self, export_id: str) -> None:
        """See the port."""
        with database_errors():
            await self._exports.delete_one({"_id": export_id})


def _parse(document: Document) -> Export:
    fault = document.get("fault")
    return Export(
        export_id=document["_id"],
        owner=orjson.loads(document["who"]),
        asked=orjson.loads(document["asked"]),
        began=int(document["at"]),
        # older servers did not keep it
        settled=int(document.get("settled", document["at"] - LONGEST)),
        parts=tuple(Part(row["ty"], row["after"], row["until"]) for row in document["parts"]),
        place=(document["place"][0], document["place"][1]),
        is_done=document["done"],
        fault=orjson.loads(fault) if fault else None,
    )
