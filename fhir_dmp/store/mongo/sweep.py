"""The sweep: takes away contents that no version and no import names, and chunks of uploads that never ended.

Both are left alone for a day: an upload may be under way, or its version about to be written.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from fhir_dmp.store.mongo.indexes import CHUNKS, FILES, HISTORY, IMPORT, RESOURCE

Document = dict[str, Any]

GRACE = timedelta(days=1)
_EVERY = 3600
"""Seconds from one sweep to the next; several servers may sweep at once."""

logger = logging.getLogger("fhir_dmp")


async def keep_sweeping(database: AsyncDatabase[Document]) -> None:
    """Sweeps now and then, until it is cancelled; what fails is tried again the next time."""
    while True:
        await asyncio.sleep(_EVERY)
        try:
            await sweep(database)
        except PyMongoError:
            logger.warning("contents could not be swept", exc_info=True)


async def sweep(database: AsyncDatabase[Document], grace: timedelta = GRACE) -> int:
    """Deletes what nobody names, or ended, for the time of `grace`; returns how many contents and uploads it were."""
    before = datetime.now(UTC) - grace
    gone = 0
    async for file in database[FILES].find({"used": {"$lt": before}}, {"used": 1}):
        gone += not await _is_named(database, str(file["_id"])) and await _delete(database, file)
    last = ObjectId.from_datetime(before)
    uploads = database[CHUNKS].find({"n": 0, "_id": {"$lt": last}}, {"files_id": 1})
    async for chunk in uploads:
        if await database[FILES].find_one({"_id": chunk["files_id"]}, {"_id": 1}) is None:
            await database[CHUNKS].delete_many({"files_id": chunk["files_id"]})
            gone += 1
    return gone


async def _is_named(database: AsyncDatabase[Document], key: str) -> bool:
    found = [await database[name].find_one({"ck": key}, {"_id": 1}) for name in (RESOURCE, HISTORY, IMPORT)]
    return any(found)


async def _delete(database: AsyncDatabase[Document], file: Document) -> bool:
    """Deletes a content unless it was stored anew meanwhile: the file first, as chunks without one are no content."""
    deleted = await database[FILES].delete_one({"_id": file["_id"], "used": file["used"]})
    if deleted.deleted_count:
        await database[CHUNKS].delete_many({"files_id": file["_id"]})
    return bool(deleted.deleted_count)
