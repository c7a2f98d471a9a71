"""Packages in MongoDB, for all servers of a database: fhir_dmp.packages.port.

package       _id NAME@VERSION · g generation · d digest · m manifest · n definitions · p parts
package_part  _id [generation, number] · r rows of (place, url, version, supplements, definition as zlib)

A package is written in one transaction, and in parts because a document has at most 16 MiB.
"""

from __future__ import annotations

import secrets
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from fhir_dmp.json_text import JsonObject
from fhir_dmp.packages.manifest import PackageId, PackageUnusable, parse_manifest
from fhir_dmp.packages.package import PARAMETER, TYPES, Definition, Package, is_definition, pack_definition
from fhir_dmp.packages.port import LAST_OWN, Addition, DefinitionsUnavailable, Installed
from fhir_dmp.packages.version import version_key
from fhir_dmp.store.mongo.changes import Changes, Concern
from fhir_dmp.store.mongo.fault import explain, where_found
from fhir_dmp.store.mongo.indexes import COMPRESSED, RESOURCE
from fhir_dmp.store.mongo.invariant import parse_content
from fhir_dmp.store.mongo.store import DURABLE, MAJORITY, Client

Document = dict[str, Any]

PACKAGE = "package"
PART = "package_part"

DEFINITIONS = Concern(collections=frozenset({PACKAGE}), types=TYPES | {PARAMETER})
"""What `changes` follows."""
PART_BYTES = 4 * 1024 * 1024
"""About what a part holds."""
MOST_BYTES = 8 * 1024 * 1024
"""What a single definition may have, compressed."""

_EXISTS = 48


class MongoPackages:
    """See PackageStore and DefinitionSource."""

    def __init__(self, client: Client, name: str, changes: Changes | None = None) -> None:
        """`name` names the database; nothing is made in it before the first package comes; `changes` the process's."""
        self._client = client
        self._database: AsyncDatabase[Document] = client.get_database(
            name, read_concern=MAJORITY, write_concern=DURABLE
        )
        self._packages = self._database[PACKAGE]
        self._parts = self._database[PART]
        self._changes = changes or Changes(self._database, [DEFINITIONS])

    async def installed(self) -> Sequence[Installed]:
        """See the port."""
        with _database_errors():
            heads = await self._packages.find().to_list()
        found = [(parse_manifest(head["m"]), head) for head in heads]
        rows = [Installed(manifest, head["g"], head["n"]) for manifest, head in found if manifest]
        return sorted(rows, key=lambda row: (row.manifest.id.name, version_key(row.manifest.id.version)))

    async def add(self, package: Package) -> Addition:
        """See the port."""
        if package.manifest is None:
            raise PackageUnusable(f"{package.label} has no package.json that names it")
        generation = secrets.token_hex(12)
        parts = list(_build_parts(package, generation))
        head = {
            "_id": str(package.id),
            "g": generation,
            "d": package.digest,
            "m": package.manifest.as_json(),
            "n": len(package.definitions),
            "p": len(parts),
        }

        async def run(session: AsyncClientSession) -> Addition:
            former = await self._packages.find_one({"_id": head["_id"]}, session=session)
            if former is not None and former["d"] == package.digest:
                return Addition.PRESENT
            if former is not None:
                await self._parts.delete_many({"_id": {"$in": _part_ids(former)}}, session=session)
            for part in parts:
                await self._parts.insert_one(part, session=session)
            await self._packages.replace_one({"_id": head["_id"]}, head, upsert=True, session=session)
            return Addition.ADDED if former is None else Addition.REPLACED

        with _database_errors():
            await self._create_collections()
            async with self._client.start_session() as session:
                return await session.with_transaction(where_found(run), ReadConcern("snapshot"), DURABLE)

    async def remove(self, package: PackageId) -> bool:
        """See the port."""

        async def run(session: AsyncClientSession) -> bool:
            former = await self._packages.find_one_and_delete({"_id": str(package)}, session=session)
            if former is not None:
                await self._parts.delete_many({"_id": {"$in": _part_ids(former)}}, session=session)
            return former is not None

        with _database_errors():
            async with self._client.start_session() as session:
                return await session.with_transaction(where_found(run), ReadConcern("snapshot"), DURABLE)

    async def read_packages(self, known: Mapping[str, Package]) -> Mapping[str, Package]:
        """See the port."""

        async def run(session: AsyncClientSession) -> Mapping[str, Package]:
            heads = await self._packages.find(session=session).sort("_id").to_list()
            return {
                head["g"]: known[head["g"]] if head["g"] in known else await self._read(head, session) for head in heads
            }

        with _database_errors():
            async with self._client.start_session() as session:
                return await session.with_transaction(where_found(run), ReadConcern("snapshot"), DURABLE)

    async def read_stored(self, known: Mapping[str, Definition]) -> Mapping[str, Definition]:
        """See the port. The server's own are told by their time, which is in an index: none of them is read."""
        wanted = {"ty": {"$in": sorted(TYPES)}, "lu": {"$gt": LAST_OWN}}
        resources = self._database[RESOURCE]
        with _database_errors():
            heads = await resources.find(wanted, {"v": 1}).sort([("lu", -1), ("_id", -1)]).to_list()
            keys = {f"{head['_id']}/_history/{head['v']}": head["_id"] for head in heads}
            fresh = [reference for key, reference in keys.items() if key not in known]
            rows = await resources.find({"_id": {"$in": fresh}}, {"v": 1, "b": 1}).to_list() if fresh else []
        read = {f"{row['_id']}/_history/{row['v']}": _parse_stored(row) for row in rows}
        found = ((key, known[key] if key in known else read.get(key)) for key in keys)
        return {key: definition for key, definition in found if definition is not None}

    async def read_parameters(self) -> Sequence[JsonObject]:
        """See the port."""
        wanted = {"ty": PARAMETER, "lu": {"$gt": LAST_OWN}}
        with _database_errors():
            rows = await self._database[RESOURCE].find(wanted, {"b": 1}).sort("_id").to_list()
        read = (parse_content(row["b"]) for row in rows)
        return [resource for resource in read if resource is not None]

    async def changes(self) -> AsyncIterator[None]:
        """See the port."""
        with _database_errors():
            async with self._changes.follow(DEFINITIONS) as events:
                yield
                async for _ in events:
                    yield

    async def _read(self, head: Document, session: AsyncClientSession) -> Package:
        parts = self._parts.find({"_id": {"$in": _part_ids(head)}}, session=session)
        rows = [Definition(*row) for part in await parts.to_list() for row in part["r"]]
        return Package(head["_id"], parse_manifest(head["m"]), tuple(rows), head["d"])

    async def _create_collections(self) -> None:
        """Here and not in the transaction, where two that come at once would be in each other's way."""
        for name in (PACKAGE, PART):
            await self._database.command({"create": name, "storageEngine": COMPRESSED}, allowable_errors=[_EXISTS])


def _part_ids(head: Document) -> list[str]:
    return [f"{head['g']}/{number}" for number in range(head["p"])]


def _build_parts(package: Package, generation: str) -> Iterator[Document]:
    rows: list[tuple[str | bytes, ...]] = []
    size = number = 0
    for row in package.definitions:
        if len(row.data) > MOST_BYTES:
            raise PackageUnusable(f"{package.label} cannot be kept: {row.place} is larger than {MOST_BYTES:,} bytes")
        if rows and size + len(row.data) > PART_BYTES:
            yield {"_id": f"{generation}/{number}", "r": rows}
            rows, size, number = [], 0, number + 1
        rows.append((row.place, row.url, row.version, row.supplements, row.data))
        size += len(row.data)
    if rows:
        yield {"_id": f"{generation}/{number}", "r": rows}


def _parse_stored(row: Document) -> Definition | None:
    """Returns a stored definition, None for one without canonical."""
    try:
        resource = orjson.loads(row["b"])
        return pack_definition(resource, row["_id"]) if is_definition(resource) else None
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, zlib.error):
        return None


@contextmanager
def _database_errors() -> Iterator[None]:
    try:
        yield
    except PyMongoError as fault:
        raise DefinitionsUnavailable(explain(fault)) from fault
