"""What the local issuer remembers, in MongoDB: its workers share it. See fhir_dmp.issuer.state.GrantState.

Keys are codes and refresh tokens: their digests alone are stored. What has expired is removed now and then.
"""

from __future__ import annotations

from enum import Enum
from hashlib import sha256
from typing import Any

import orjson
from pymongo import ASCENDING, ReturnDocument
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import JsonObject
from fhir_dmp.store.mongo.fault import database_errors

COLLECTION = "grant"
SWEEP: Milliseconds = 60_000
"""How often what has expired is removed."""
Document = dict[str, Any]


class MongoGrantState:
    """One document per item: its digest, its JSON, when it expires, and whether it was taken."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        """`prepare` must run before anything is remembered."""
        self._collection = database[COLLECTION]
        self._swept_at: Milliseconds | None = None

    async def prepare(self) -> None:
        """Creates the index; safe to run by several servers at once."""
        with database_errors():
            await self._collection.create_index([("exp", ASCENDING)], name="expiry")

    async def put(self, item: Enum, key: str, value: JsonObject, expires_at: Milliseconds, now: Milliseconds) -> bool:
        """See GrantState. What has expired counts as absent."""
        await self._sweep(now)
        document = {"_id": _name(item, key), "value": orjson.dumps(value), "exp": expires_at, "taken": False}
        with database_errors():
            try:
                await self._collection.insert_one(document)
            except DuplicateKeyError:
                stale = {"_id": document["_id"], "exp": {"$lte": now}}
                return await self._collection.find_one_and_replace(stale, document) is not None
        return True

    async def take(self, item: Enum, key: str, now: Milliseconds) -> JsonObject | None:
        """See GrantState."""
        wanted = {"_id": _name(item, key), "exp": {"$gt": now}, "taken": False}
        with database_errors():
            found = await self._collection.find_one_and_update(
                wanted, {"$set": {"taken": True}}, return_document=ReturnDocument.BEFORE
            )
        return _value(found)

    async def find(self, item: Enum, key: str, now: Milliseconds) -> JsonObject | None:
        """See GrantState."""
        with database_errors():
            found = await self._collection.find_one({"_id": _name(item, key), "exp": {"$gt": now}})
        return _value(found)

    async def _sweep(self, now: Milliseconds) -> None:
        if self._swept_at is None or now - self._swept_at > SWEEP:
            self._swept_at = now
            with database_errors():
                await self._collection.delete_many({"exp": {"$lte": now}})


def _name(item: Enum, key: str) -> str:
    return f"{item.value}:{sha256(key.encode()).hexdigest()}"


def _value(document: Document | None) -> JsonObject | None:
    if document is None:
        return None
    value: JsonObject = orjson.loads(document["value"])
    return value
