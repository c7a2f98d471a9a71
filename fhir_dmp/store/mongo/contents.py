"""Contents in GridFS: chunks under an id of their own, and a file that makes them a content (docs/decisions/0033).

content.chunks  _id · files_id · n · data               as GridFS has them
content.files   _id · length · chunkSize · uploadDate    likewise · sha256 · sha1 · used when it was last stored

The driver reads them; its writer would hold 48 MB of each upload in memory.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha1, sha256
from typing import Any

from bson import ObjectId
from gridfs.asynchronous import AsyncGridFSBucket
from pymongo import ReturnDocument
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from fhir_dmp.store.content_port import Content
from fhir_dmp.store.mongo.fault import database_errors
from fhir_dmp.store.mongo.indexes import CHUNKS, FILES

Document = dict[str, Any]

BUCKET = "content"
CHUNK = 1024 * 1024
"""Bytes of a chunk: one round trip to a majority of the journals for each."""


class MongoContents:
    """See fhir_dmp.store.content_port.Contents."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        """`database` writes durably and reads what is durable."""
        self._files = database[FILES]
        self._chunks = database[CHUNKS]
        self._bucket = AsyncGridFSBucket(database, BUCKET)

    async def keep(self, parts: AsyncIterable[bytes]) -> Content:
        """See the port. All chunks are written even where they are here already: how long it takes tells nothing."""
        upload = _Upload(ObjectId())
        try:
            async for part in parts:
                for chunk in upload.add(part):
                    await self._write(chunk)
            for chunk in upload.finish():
                await self._write(chunk)
        except BaseException:
            with suppress(PyMongoError):
                await self._chunks.delete_many({"files_id": upload.key})
            raise
        # whether this was done when it fails is not known: then the chunks are the sweep's
        return _parse(await self._complete(upload))

    async def describe(self, key: str) -> Content | None:
        """See the port."""
        with database_errors():
            found = await self._files.find_one({"_id": ObjectId(key)})
        return _parse(found) if found else None

    async def read(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """See the port."""
        with database_errors():
            stored = await self._bucket.open_download_stream(ObjectId(key))
            await stored.seek(start)
        left = end - start
        while left > 0:
            with database_errors():
                part = (await stored.readchunk())[:left]
            if not part:
                raise EOFError(f"content {key} ends before byte {end}")
            left -= len(part)
            yield part

    async def _write(self, chunk: Document) -> None:
        with database_errors():
            await self._chunks.insert_one(chunk)

    async def _complete(self, upload: _Upload) -> Document:
        """Makes the chunks a content, unless the same is here; then they are nobody's, and the sweep takes them."""
        with database_errors():
            found = await self._files.find_one_and_update(
                {"sha256": upload.sha256.digest()},
                {"$setOnInsert": upload.describe(), "$currentDate": {"used": True}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        # an upsert always finds one
        return found or {}


class _Upload:
    """Cuts what comes into chunks, and counts and hashes it."""

    def __init__(self, key: ObjectId) -> None:
        self.key = key
        self.sha256 = sha256()
        self._sha1 = sha1(usedforsecurity=False)
        self._rest = bytearray()
        self._size = 0
        self._number = 0

    def add(self, part: bytes) -> list[Document]:
        """Returns the chunks that are full now."""
        self.sha256.update(part)
        self._sha1.update(part)
        self._size += len(part)
        self._rest += part
        return [self._cut() for _ in range(len(self._rest) // CHUNK)]

    def finish(self) -> list[Document]:
        """Returns the last chunk, if anything is left."""
        return [self._cut()] if self._rest else []

    def describe(self) -> Document:
        """The file of what came, but for what finds it."""
        return {
            "_id": self.key,
            "length": self._size,
            "chunkSize": CHUNK,
            "uploadDate": datetime.now(UTC),
            "sha1": self._sha1.digest(),
        }

    def _cut(self) -> Document:
        data = bytes(self._rest[:CHUNK])
        del self._rest[:CHUNK]
        self._number += 1
        return {"files_id": self.key, "n": self._number - 1, "data": data}


def _parse(file: Document) -> Content:
    return Content(str(file["_id"]), file["length"], bytes(file["sha1"]))
