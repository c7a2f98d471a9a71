"""MongoStore: the store on a MongoDB replica set or sharded cluster.

What it acknowledges is on a majority of the members and in their journals; what it reads is as durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_bytes
from typing import Any, TypeVar

from pymongo import AsyncMongoClient, ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConfigurationError, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from fhir_dmp.access.restriction import Restriction
from fhir_dmp.resource import Identity, Version
from fhir_dmp.search.query import Clause, SearchQuery
from fhir_dmp.store.mongo.coalesce import Coalescer
from fhir_dmp.store.mongo.contents import MongoContents
from fhir_dmp.store.mongo.document import Document, build_current
from fhir_dmp.store.mongo.facts import linked
from fhir_dmp.store.mongo.fault import QUERY_MILLISECONDS, database_errors, explain, where_found
from fhir_dmp.store.mongo.filter import Filter
from fhir_dmp.store.mongo.imports import MongoImports
from fhir_dmp.store.mongo.indexes import RESOURCE, RESTORING, SETTING, create_collections
from fhir_dmp.store.mongo.own import Own, find_asked
from fhir_dmp.store.mongo.reader import MongoReader
from fhir_dmp.store.mongo.recorded import sought
from fhir_dmp.store.mongo.statistics import MongoStatistics
from fhir_dmp.store.mongo.vigil import DIRECTING, Fence
from fhir_dmp.store.mongo.writer import MongoWriter, Unfiled
from fhir_dmp.store.port import Change, SearchPage, Writer

Result = TypeVar("Result")
Client = AsyncMongoClient[Document]

MAJORITY = ReadConcern("majority")
DURABLE = WriteConcern(w="majority", j=True)
CONCURRENT_TRANSACTIONS = 8
"""Transactions under way at once; more would only abort one another."""


JOINED = 256 * 1024
"""Bytes of a resource that is still stored together with others: far below the limit of a document, facts and all."""

_KEPT = ("AuditEvent",)
"""What outlives a record: its traces."""
_CITED = linked("DocumentReference.location", "Binary/")


class StoreUnusable(RuntimeError):
    """The database does not answer, or cannot run transactions."""


@dataclass(frozen=True, slots=True, eq=False)
class _Creation:
    """The document of a new resource; equal to itself only."""

    document: Document


async def require_whole(database: AsyncDatabase[Document]) -> None:
    """Raises StoreUnusable where a restore into the database has not ended: what is there is a part of it."""
    if await database[RESTORING].find_one():
        raise StoreUnusable(
            f"the database {database.name} is not whole: a restore into it is under way, or was interrupted; "
            "run fhir-dmp restore again"
        )


class MongoStore(MongoReader):
    """See fhir_dmp.store.port.Store."""

    def __init__(self, client: Client, name: str, milliseconds: int = QUERY_MILLISECONDS) -> None:
        """`name` is the database's; `prepare` must run before anything is read or written."""
        database = client.get_database(name, read_concern=MAJORITY, write_concern=DURABLE)
        super().__init__(database, milliseconds=milliseconds)
        self.database: AsyncDatabase[Document] = database
        self.contents = MongoContents(database)
        self.statistics = MongoStatistics(database, milliseconds)
        self.imports = MongoImports(database)
        self._client = client
        self._places = asyncio.Semaphore(CONCURRENT_TRANSACTIONS)
        self._coalescers: dict[Restriction, Coalescer[Identity, Version]] = {}
        self._judged = Coalescer(self._fetch_documents)
        self._creations = Coalescer(self._create, largest=100)
        self._fence = Fence(database)
        self.after_write: Callable[[Collection[str]], Awaitable[None]] = _ignore
        """Is told the types of what has just become durable, before the write is acknowledged."""
        self.file_events: Callable[[Filter], Awaitable[object]] = _ignore
        """Files recorded events, those that a filter selects (filing.py): none where no trace is kept."""
        self.after_schedule: Callable[[], None] = _do_nothing
        """Is told that there is a job that may be due."""

    async def prepare(self) -> None:
        """Checks that the database can run transactions and creates what is absent; raises StoreUnusable."""
        try:
            hello = await self._client.admin.command("hello")
            if "setName" not in hello and hello.get("msg") != "isdbgrid":
                raise StoreUnusable(
                    "the MongoDB of FHIR_DMP_MONGODB_URI is a standalone server, which has no transactions: "
                    "name a replica set (one node is enough: mongod --replSet rs0, then rs.initiate())"
                )
            await require_whole(self.database)
            await create_collections(self.database)
        except PyMongoError as fault:
            raise StoreUnusable(explain(fault, "the MongoDB of FHIR_DMP_MONGODB_URI")) from fault

    async def shared_secret(self) -> bytes:
        """Returns the secret that all servers of this database sign cursors with; the first server makes it."""
        settings = self.database[SETTING]
        fresh = {"value": token_bytes(32)}
        found = await settings.find_one_and_update(
            {"_id": "cursor-secret"}, {"$setOnInsert": fresh}, upsert=True, return_document=ReturnDocument.AFTER
        )
        return bytes(found["value"]) if found else fresh["value"]

    async def is_ready(self) -> bool:
        """Tells whether the database answers and takes writes."""
        try:
            hello = await self._client.admin.command("hello")
        except PyMongoError:
            return False
        return bool(hello.get("isWritablePrimary"))

    async def read(self, identities: Iterable[Identity], restriction: Restriction) -> Mapping[Identity, Version]:
        """See the port. Concurrent reads under the same restriction share one query."""
        coalescer = self._coalescers.get(restriction)
        if coalescer is None:
            coalescer = self._coalescers[restriction] = self._coalescer(restriction)
        try:
            return await coalescer.read(identities)
        finally:
            # also where it fails, or each restriction would stay for as long as the database is away
            # another reader may have made a newer one meanwhile: that is not ours to drop
            if coalescer.is_idle and self._coalescers.get(restriction) is coalescer:
                del self._coalescers[restriction]

    async def read_latest(self, identities: Iterable[Identity], restriction: Restriction) -> Mapping[Identity, Version]:
        """See the port. What was revived between looking for it as current and as deleted is not absent.

        It is looked for once more, and not in a snapshot: that costs so much that time would tell absent from hidden.
        """
        wanted = set(identities)
        found = await super().read_latest(wanted, restriction)
        missing = wanted - found.keys()
        return {**found, **await self.read(missing, restriction)} if missing else found

    async def _documents(self, identities: Iterable[Identity]) -> Mapping[Identity, Document]:
        """All concurrent readers share one query, whatever each of them may see."""
        return await self._judged.read(identities)

    async def _fetch_documents(self, identities: list[Identity]) -> Mapping[Identity, Document]:
        return await super()._documents(identities)

    def _coalescer(self, restriction: Restriction) -> Coalescer[Identity, Version]:
        async def fetch(identities: list[Identity]) -> Mapping[Identity, Version]:
            return await MongoReader.read(self, identities, restriction)

        return Coalescer(fetch)

    def know_own(self, own: Callable[[], Own]) -> None:
        """Takes what gives the parameters of this server's own, as they are at the moment."""
        self._own = own

    async def search(self, query: SearchQuery, restriction: Restriction) -> SearchPage:
        """See the port."""
        if not find_asked(self._own, query.clause, query.resource_types, query.sort):
            return await super().search(query, restriction)
        await self._look_for_events(sought(query.resource_types, query.clause, restriction.clause))
        return await self._in_snapshot(lambda reader: reader.search(query, restriction))

    async def count(self, clause: Clause, restriction: Restriction, limit: int) -> int:
        """See the port."""
        if not find_asked(self._own, clause, (), ()):
            return await super().count(clause, restriction, limit)
        await self._look_for_events(sought((), clause, restriction.clause))
        return await self._in_snapshot(lambda reader: reader.count(clause, restriction, limit))

    async def _in_snapshot(self, work: Callable[[MongoReader], Awaitable[Result]]) -> Result:
        """Reads as the database was at one moment, of what is durable."""
        snapshot = ReadConcern("snapshot")
        with database_errors():
            async with self._client.start_session() as session, await session.start_transaction(snapshot):
                return await work(MongoReader(self.database, session, self._milliseconds, self._own))

    async def insert(self, change: Change) -> None:
        """See the port."""
        if change.facts is None:
            raise ValueError("a deletion is no first version")
        creation = _Creation(build_current(change.version, change.facts))
        if len(change.version.content or b"") > JOINED:
            await self._create([creation])
        else:
            await self._creations.read([creation])
        await self._finish({change.version.identity.resource_type})

    async def _create(self, creations: list[_Creation]) -> Mapping[_Creation, None]:
        """Stores resources with one command. Each is a document: that one is stored depends on no other."""
        documents = [creation.document for creation in creations]
        with database_errors():
            await self.database[RESOURCE].insert_many(documents, ordered=False)
        return {}

    async def erase(self, patient: str, limit: int) -> int:
        """See the port. The past goes first: what is current is how the rest is found again after a failure."""
        with database_errors():
            texts = await self._find_of_patient(patient, limit)
            await self._remove_all(texts, {"pt": {"$ne": patient}})
        return len(texts)

    async def remove(self, identity: Identity) -> None:
        """See the port."""
        text = str(identity)
        with database_errors():
            await self._remove_all([text], {"_id": {"$ne": text}})

    async def _remove_all(self, texts: list[str], others: Document) -> None:
        """Removes resources with their Binaries, these first: it is by what cites them that they are found again."""
        await self._remove(await self._find_binaries(texts, others))
        await self._remove(texts)

    async def _remove(self, texts: list[str]) -> None:
        """Deletions are the last versions to go: what is not current is found again by them, should it end midway."""
        if texts:
            await self._versions.delete_many({"r": {"$in": texts}, "m": {"$ne": "DELETE"}})
            await self._versions.delete_many({"r": {"$in": texts}})
            await self._resources.delete_many({"_id": {"$in": texts}})
            await self.after_write({text.partition("/")[0] for text in texts})

    async def _find_of_patient(self, patient: str, limit: int) -> list[str]:
        """The references to what is in a record: first what is current, then what was deleted, last the Patient."""
        own = f"Patient/{patient}"
        wanted = {"pt": patient, "ty": {"$nin": [*_KEPT, "Patient"]}}
        current = await self._resources.find(wanted, {"_id": 1}).limit(limit).to_list()
        if current:
            return [row["_id"] for row in current]
        deleted = {"pt": patient, "m": "DELETE", "r": {"$ne": own}}
        past = await self._versions.find(deleted, {"r": 1}).limit(limit).to_list()
        if past:
            return list(dict.fromkeys(row["r"] for row in past))
        is_here = await self._resources.find_one({"_id": own}, {"_id": 1}) or await self._versions.find_one({"r": own})
        return [own] if is_here else []

    async def _find_binaries(self, texts: list[str], others: Document) -> list[str]:
        """The Binaries that these documents cite, or did, and none of the others: of those, their makers' own count.

        Or whoever cited a Binary from another record would keep it for ever.
        """
        documents = [text for text in texts if text.startswith("DocumentReference/")]
        versions = await self._versions.find({"r": {"$in": documents}}, {"t": 1}).to_list()
        versions += await self._resources.find({"_id": {"$in": documents}}, {"t": 1}).to_list()
        cited = {token for row in versions for token in row.get("t", ()) if token.startswith(_CITED)}
        citing = await self._resources.find({"t": {"$in": list(cited)}, **others}, {"t": 1, "au": 1}).to_list()
        shared = {(token.partition(">")[2], row.get("au", "")) for row in citing for token in row["t"]}
        names = {token.partition(">")[2] for token in cited}
        binaries = await self._resources.find({"_id": {"$in": list(names)}}, {"au": 1}).to_list()
        owners = {row["_id"]: row.get("au", "") for row in binaries}
        return sorted(names - {name for name, owner in shared if owners.get(name, owner) == owner})

    async def transact(self, work: Callable[[Writer], Awaitable[Result]]) -> Result:
        """See the port. What looks for events begins anew when they are filed."""
        filed: list[Filter] = []
        while True:
            try:
                result, writer = await self._transact(work, filed)
            except Unfiled as fault:
                await self._look_for_events(fault.wanted)
                filed.append(fault.wanted)
            else:
                break
        if writer.has_scheduled:
            self.after_schedule()
        if writer.written:
            await self._finish(writer.written)
        return result

    async def _transact(
        self, work: Callable[[Writer], Awaitable[Result]], filed: Sequence[Filter]
    ) -> tuple[Result, MongoWriter]:
        """Returns the result, and the writer whose transaction was committed."""

        async def run(session: AsyncClientSession) -> tuple[Result, MongoWriter]:
            writer = MongoWriter(self.database, session, self._milliseconds, self._own, filed)
            return await work(writer), writer

        async with self._places:
            with database_errors():
                async with self._client.start_session() as session:
                    return await session.with_transaction(
                        where_found(run), read_concern=ReadConcern("snapshot"), write_concern=DURABLE
                    )

    async def _look_for_events(self, wanted: Filter | None) -> None:
        """Has events filed that are recorded by now, whichever process recorded them."""
        if wanted is not None:
            with database_errors():
                await self.file_events(wanted)

    async def _finish(self, written: set[str]) -> None:
        """What has to come between a write that is durable and its acknowledgement."""
        if not written.isdisjoint(DIRECTING):
            await self._fence.cross()
        await self.after_write(written)


async def _ignore(told: object) -> None:
    del told


def _do_nothing() -> None:
    pass


def connect(uri: str) -> Client:
    """Returns a client of a replica set or sharded cluster; raises StoreUnusable where the URI is none."""
    options: dict[str, Any] = {"appname": "fhir-dmp", "serverSelectionTimeoutMS": 5000, "retryWrites": True}
    try:
        return AsyncMongoClient(uri, **options)
    except (ConfigurationError, PyMongoError, ValueError) as fault:
        raise StoreUnusable(f"FHIR_DMP_MONGODB_URI is no MongoDB connection string: {fault}"[:300]) from fault
    except OSError as fault:
        # of its options tlsCAFile and tlsCertificateKeyFile; the driver names neither the file nor the setting
        why = fault.strerror or str(fault)
        raise StoreUnusable(f"a file that FHIR_DMP_MONGODB_URI names for TLS cannot be used: {why}"[:300]) from fault
