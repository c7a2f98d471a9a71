"""Collections and indexes, as data. Their number does not grow with that of search parameters (docs/decisions/0005)."""

from __future__ import annotations

from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase

Document = dict[str, Any]

RESOURCE = "resource"
"""The current version of each live resource."""
HISTORY = "history"
"""Every superseded version, and every deletion."""
GUARD = "guard"
"""One document per slot: conditional transactions that touch the same one run one after another."""
RECORDED = "recorded"
"""Events of the audit trail that are not yet among the resources (recorded.py)."""
JOB = "job"
"""What is to be done at a date (jobs.py)."""
EXPORT = "export"
"""What was asked for in bulk, until it is over (bulk.py)."""
NOTICE = "notice"
"""What subscriptions are to be told, were told, or could not be (outbox.py)."""
TOLD = "told"
"""How many notices each subscription was told."""
OPENING = "opening"
"""How often records were opened, and where, without whose they are (statistics.py)."""
IMPORT = "import"
"""What is taken in from uploads, until it is over (imports.py)."""
REFUSED = "import.refused"
"""What of it was refused, and why."""
SETTING = "setting"
"""What all servers of one database share: the secret that signs cursors, the form of the stored facts."""
FORM = "form"
"""The index that tells whether all facts of a type are of one form."""
FILES = "content.files"
"""What is kept of each content that is too large for a resource (contents.py)."""
CHUNKS = "content.chunks"
"""The bytes of those contents, in pieces."""

RESTORING = "restoring"
"""Has a document from the beginning of a restore to its end: what is in the database meanwhile is not whole."""
WATCHER = "watcher"
"""The processes that are told of a change of who may see what before it is acknowledged (vigil.py)."""
FENCE = "fence"
"""What they answer to: each stands for all that was written before it."""

INDEXES: dict[str, list[IndexModel]] = {
    RESOURCE: [
        IndexModel([("t", ASCENDING)], name="tokens"),
        IndexModel([("s", ASCENDING)], name="strings"),
        IndexModel([("d.p", ASCENDING), ("d.l", ASCENDING)], name="dates"),
        IndexModel([("cm.t", ASCENDING)], name="composites", sparse=True),
        IndexModel([("ct.ty", ASCENDING), ("ct.t", ASCENDING)], name="contained", sparse=True),
        IndexModel([("ct.s", ASCENDING)], name="contained-strings", sparse=True),
        IndexModel([("g.p", ASCENDING), ("g.x", ASCENDING)], name="points", sparse=True),
        IndexModel([("w", ASCENDING)], name="words"),
        IndexModel([("q.p", ASCENDING), ("q.l", ASCENDING)], name="quantities"),
        IndexModel([("ty", ASCENDING), ("lu", ASCENDING), ("_id", ASCENDING)], name="last-updated"),
        IndexModel([("ty", ASCENDING), ("dl", ASCENDING), ("_id", ASCENDING)], name="date"),
        IndexModel(
            [("c", ASCENDING), ("dl", ASCENDING), ("_id", ASCENDING)],
            name="code-date",
            partialFilterExpression={"c": {"$exists": True}},
        ),
        IndexModel([("ty", ASCENDING), ("f", ASCENDING)], name=FORM),
        IndexModel([("pt", ASCENDING), ("_id", ASCENDING)], name="patient"),
        IndexModel([("pt", ASCENDING), ("ty", ASCENDING), ("dl", ASCENDING), ("_id", ASCENDING)], name="patient-date"),
        IndexModel([("pt", ASCENDING), ("c", ASCENDING), ("dl", ASCENDING), ("_id", ASCENDING)], name="patient-code"),
        IndexModel([("ck", ASCENDING)], name="content", sparse=True),
    ],
    HISTORY: [
        IndexModel([("r", ASCENDING), ("v", DESCENDING)], name="resource"),
        IndexModel([("ty", ASCENDING), ("lu", DESCENDING), ("r", DESCENDING), ("v", DESCENDING)], name="last-updated"),
        # what was deleted is in the history only: to erase a record means to find it by its patient
        IndexModel([("pt", ASCENDING)], name="deleted", partialFilterExpression={"m": "DELETE"}),
        IndexModel([("ck", ASCENDING)], name="content", sparse=True),
    ],
    RECORDED: [IndexModel([("pt", ASCENDING)], name="patient")],
    JOB: [IndexModel([("due", ASCENDING)], name="due")],
    EXPORT: [IndexModel([("gone", ASCENDING)], name="gone", expireAfterSeconds=0)],
    NOTICE: [
        IndexModel(
            [("st", ASCENDING), ("s", ASCENDING), ("o", ASCENDING)],
            name="next",
            partialFilterExpression={"st": "due"},
        ),
        IndexModel([("s", ASCENDING), ("num", ASCENDING)], name="number"),
        IndexModel([("gone", ASCENDING)], name="gone", expireAfterSeconds=0),
    ],
    TOLD: [],
    OPENING: [IndexModel([("month", ASCENDING), ("dep", ASCENDING), ("ch", ASCENDING)], name="month")],
    IMPORT: [
        IndexModel([("gone", ASCENDING)], name="gone", expireAfterSeconds=0),
        IndexModel([("ck", ASCENDING)], name="content", sparse=True),
    ],
    REFUSED: [IndexModel([("gone", ASCENDING)], name="gone", expireAfterSeconds=0)],
    GUARD: [],
    SETTING: [],
    # both are long gone before: by far the longest lease, and the longest wait
    WATCHER: [IndexModel([("at", ASCENDING)], name="left", expireAfterSeconds=600)],
    FENCE: [IndexModel([("at", ASCENDING)], name="left", expireAfterSeconds=600)],
    FILES: [IndexModel([("sha256", ASCENDING)], name="sha256", unique=True)],
    CHUNKS: [IndexModel([("files_id", ASCENDING), ("n", ASCENDING)], name="files_id_1_n_1", unique=True)],
}

COMPRESSED = {"wiredTiger": {"configString": "block_compressor=zstd"}}


async def create_collections(database: AsyncDatabase[Document]) -> None:
    """Creates what is absent; safe to run by several servers at once."""
    present = set(await database.list_collection_names())
    for name, indexes in INDEXES.items():
        if name not in present:
            await _create_collection(database, name)
        if indexes:
            await database[name].create_indexes(indexes)


async def _create_collection(database: AsyncDatabase[Document], name: str) -> None:
    """Unlike the driver's create_collection, does not mind that another server was faster."""
    command = {"create": name, "storageEngine": COMPRESSED}
    await database.command(command, allowable_errors=[_EXISTS])


_EXISTS = 48
"""NamespaceExists."""
