"""Rebuilds the facts of stored versions from their content, beside servers that read and write.

The content of a version never changes, so its facts belong to its number: an update asks for `_id` and `v`, and finds
nothing where a newer version, which has facts of its own, came first. Nothing but the fields of the facts is written.

Which forms of facts may be stored is in the collection `setting`, so that a server need not look for them as it starts:

    facts   forms: the extractor versions of the servers that have written here since the last reindex (UNKNOWN: one
            that nobody can tell) · base: the base URL of the last of them, which facts depend on
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from typing import Any

from pymongo import ASCENDING, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError, ExecutionTimeout

from fhir_dmp.audit.proof import Finding
from fhir_dmp.json_text import JsonObject
from fhir_dmp.search.facts import EXTRACTOR_VERSION, Facts
from fhir_dmp.search.index import Indexer
from fhir_dmp.search.space import SearchSpace
from fhir_dmp.store.mongo.facts import build_fields
from fhir_dmp.store.mongo.indexes import FORM, HISTORY, RESOURCE, SETTING
from fhir_dmp.store.mongo.invariant import parse_content
from fhir_dmp.store.mongo.store import DURABLE, MAJORITY, Client

Document = dict[str, Any]

FACT_FIELDS = frozenset(
    {"t", "k", "s", "d", "q", "cm", "ct", "g", "w", "cf", "cl", "ch", "op", "pt", "c", "dl", "dh", "x", "f"}
)
"""Every field of facts.py: what facts no longer have is removed from the document."""
BATCH = 200
"""Documents that are read, and then written, at once."""
UNKNOWN = 0
"""In place of an extractor version: none, or one that was not found in time."""

_COLLECTIONS = (RESOURCE, HISTORY)
_STALE: Document = {"x": {"$ne": EXTRACTOR_VERSION}}
_READ = {"v": 1, "ty": 1, "r": 1, "b": 1}
_FORMS = "facts"
_LOOK_MILLISECONDS = 2000


def build_update(facts: Facts) -> Document:
    """Builds the update that gives a document these facts, in place of those that it has."""
    fields = build_fields(facts)
    return {"$set": fields, "$unset": dict.fromkeys(sorted(FACT_FIELDS - fields.keys()), "")}


class Reindexing:
    """One run. `rebuilt` and `overtaken` count the documents whose facts were rebuilt, and whose version was not found.

    Of the latter a newer version came between reading and writing, or somebody removed them.
    """

    def __init__(self, client: Client, name: str, indexer: Indexer, *, is_complete: bool) -> None:
        """`indexer` is the server's: of its base URL and time zone. `is_complete` includes facts that are not stale."""
        self._database = client.get_database(name, read_concern=MAJORITY, write_concern=DURABLE)
        self._indexer = indexer
        self._wanted = {} if is_complete else {"$or": [_STALE, *_build_other_forms(indexer.space)]}
        self.rebuilt = 0
        self.overtaken = 0

    async def size(self) -> int:
        """Returns about how many documents there are, stale or not."""
        return sum([await self._database[name].estimated_document_count() for name in _COLLECTIONS])

    async def count(self) -> int:
        """Returns how many documents are to be rebuilt. It looks at each one that is stored."""
        return sum([await self._database[name].count_documents(self._wanted) for name in _COLLECTIONS])

    async def run(self, done: Callable[[int], None]) -> AsyncIterator[Finding]:
        """Rebuilds; yields the documents that cannot be. Calls `done` with how many are done with."""
        for name in _COLLECTIONS:
            after = ""
            while rows := await self._read(self._database[name], after):
                for finding in await self._rebuild(self._database[name], rows):
                    yield finding
                done(len(rows))
                after = rows[-1]["_id"]

    async def renew(self, resource_type: str, form: str, seen: Collection[str]) -> Sequence[str] | None:
        """Rebuilds a batch of current versions of a type whose facts are of another form than this one.

        Leaves aside those in `seen`; returns those that it cannot rebuild, and None where there was nothing left.
        """
        collection = self._database[RESOURCE]
        wanted = {"ty": resource_type, "f": {"$ne": form or None}, "_id": {"$nin": list(seen)}}
        found = collection.find(wanted, _READ).hint(FORM).limit(BATCH)
        rows = [self._parse(row) async for row in found.batch_size(BATCH)]
        if not rows:
            return None
        return [finding.place for finding in await self._rebuild(collection, rows)]

    async def finish(self) -> int:
        """Returns how many stale documents there are still; where there is none, servers will know it."""
        stale = sum([await self._database[name].count_documents(_STALE) for name in _COLLECTIONS])
        if not stale:
            forms = {"$set": {"forms": [EXTRACTOR_VERSION]}}
            await self._database[SETTING].update_one({"_id": _FORMS}, forms, upsert=True)
        return stale

    async def _read(self, collection: AsyncCollection[Document], after: str) -> list[Document]:
        """Reads the next documents. Of the contents only what is parsed at the moment is kept."""
        wanted = {"_id": {"$gt": after}, **self._wanted}
        rows = collection.find(wanted, _READ).sort("_id", ASCENDING).hint([("_id", ASCENDING)])
        return [self._parse(row) async for row in rows.limit(BATCH).batch_size(BATCH)]

    def _parse(self, row: Document) -> Document:
        """Puts into the row, in place of its content, the update that it needs; None where there is no content."""
        content = row.pop("b", None)
        return {**row, "is_deletion": content is None, "update": self._build(row.get("ty"), parse_content(content))}

    def _build(self, resource_type: object, resource: JsonObject | None) -> Document | None:
        if resource is None or resource.get("resourceType") != resource_type:
            return None
        return build_update(self._indexer.facts(resource))

    async def _rebuild(self, collection: AsyncCollection[Document], rows: Sequence[Document]) -> list[Finding]:
        ended = await self._read_ended([row for row in rows if row["is_deletion"] and _has_number(row)])
        updates = [(row, row["update"] or ended.get(row["_id"])) for row in rows]
        findings = [
            Finding(row["_id"], "its content cannot be read: it keeps its facts") for row, new in updates if not new
        ]
        steps = [UpdateOne({"_id": row["_id"], "v": row.get("v")}, new) for row, new in updates if new]
        references = [row["_id"] for row, new in updates if new]
        return [*findings, *(await self._write(collection, steps, references) if steps else ())]

    async def _read_ended(self, deletions: Sequence[Document]) -> dict[str, Document | None]:
        """Returns, for each deletion, the update with the facts of the version that it ended."""
        wanted = {f"{row['r']}/{row['v'] - 1}": row["_id"] for row in deletions}
        if not wanted:
            return {}
        rows = self._database[HISTORY].find({"_id": {"$in": list(wanted)}}, _READ)
        return {wanted[row["_id"]]: self._parse(row)["update"] async for row in rows}

    async def _write(
        self, collection: AsyncCollection[Document], steps: list[UpdateOne], references: list[str]
    ) -> list[Finding]:
        """Writes what can be written; what the database refuses (a document that gets too large) is a finding."""
        try:
            matched = (await collection.bulk_write(steps, ordered=False)).matched_count
            refused = []
        except BulkWriteError as fault:
            if fault.details["writeConcernErrors"]:
                raise
            matched, refused = fault.details["nMatched"], fault.details["writeErrors"]
        self.rebuilt += matched
        self.overtaken += len(steps) - matched - len(refused)
        return [Finding(references[row["index"]], f"it keeps its facts: {row['errmsg'][:200]}") for row in refused]


def _build_other_forms(space: SearchSpace) -> Iterator[Document]:
    """What has facts of other parameters than the server's own of the moment."""
    yield {"ty": {"$nin": sorted(space.own)}, "f": {"$exists": True}}
    for resource_type in sorted(space.own):
        yield {"ty": resource_type, "f": {"$ne": space.form(resource_type)}}


def _has_number(row: Document) -> bool:
    """Tells whether a document of the history says which version of which resource it is."""
    return "r" in row and type(row.get("v")) is int


async def register_server(client: Client, name: str, base_url: str) -> bool:
    """Notes that a server of this base URL begins to write; returns whether facts of another form may be stored."""
    settings = client.get_database(name, read_concern=MAJORITY, write_concern=DURABLE)[SETTING]
    noted = await settings.find_one({"_id": _FORMS})
    forms = {EXTRACTOR_VERSION, *(noted.get("forms", ()) if noted else await _find_forms(client, name))}
    update = {"$addToSet": {"forms": {"$each": sorted(forms)}}, "$set": {"base": base_url}}
    await settings.update_one({"_id": _FORMS}, update, upsert=True)
    return forms != {EXTRACTOR_VERSION}


async def read_base_url(client: Client, name: str) -> str:
    """Returns the base URL of the server that last began to write here, "" where none is known."""
    noted = await client[name][SETTING].find_one({"_id": _FORMS})
    return str(noted.get("base", "")) if noted else ""


async def _find_forms(client: Client, name: str) -> set[int]:
    """Looks for another form in a database that no server has noted itself in; gives up soon, and says so."""
    found: set[int] = set()
    for collection in _COLLECTIONS:
        try:
            row = await client[name][collection].find_one(_STALE, {"x": 1}, max_time_ms=_LOOK_MILLISECONDS)
        except ExecutionTimeout:
            found.add(UNKNOWN)
        else:
            found |= {row.get("x", UNKNOWN)} if row else set()
    return found
