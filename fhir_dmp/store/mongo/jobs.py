"""Jobs on MongoDB: see fhir_dmp.store.job_port.

job   _id kind:subject · k kind · s subject · due · task JSON · n failed attempts · o owner and until: its lease
"""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_hex
from typing import Any

import orjson
from bson import Int64
from pymongo import ASCENDING, ReturnDocument
from pymongo.asynchronous.database import AsyncDatabase

from fhir_dmp.instant import Milliseconds
from fhir_dmp.store.job_port import Job, JobKind, Lease
from fhir_dmp.store.mongo.fault import database_errors
from fhir_dmp.store.mongo.indexes import JOB

LEASE: Milliseconds = 60_000
"""How long a worker that says nothing keeps a job."""
Document = dict[str, Any]


class MongoJobs:
    """See the port."""

    def __init__(self, database: AsyncDatabase[Document], new_owner: Callable[[], str] = lambda: token_hex(8)) -> None:
        """`database` has the write concern of what must be durable; its collections exist."""
        self._jobs = database[JOB]
        self._new_owner = new_owner

    async def take(self, now: Milliseconds) -> Lease | None:
        """See the port."""
        free = [{"until": None}, {"until": {"$lte": Int64(now)}}]
        owner = self._new_owner()
        with database_errors():
            found = await self._jobs.find_one_and_update(
                {"due": {"$lte": Int64(now)}, "$or": free},
                {"$set": {"o": owner, "until": Int64(now + LEASE)}},
                sort=[("due", ASCENDING)],
                return_document=ReturnDocument.AFTER,
            )
        return Lease(parse_job(found), owner) if found else None

    async def keep(self, lease: Lease, now: Milliseconds) -> bool:
        """See the port."""
        with database_errors():
            done = await self._jobs.update_one(_held(lease), {"$set": {"until": Int64(now + LEASE)}})
        return done.matched_count == 1

    async def finish(self, lease: Lease) -> None:
        """See the port."""
        with database_errors():
            await self._jobs.delete_one(_held(lease))

    async def postpone(self, lease: Lease, due: Milliseconds) -> None:
        """See the port."""
        change = {"$set": {"due": Int64(due)}, "$unset": {"o": "", "until": ""}, "$inc": {"n": 1}}
        with database_errors():
            await self._jobs.update_one(_held(lease), change)

    async def give_back(self, lease: Lease, due: Milliseconds) -> None:
        """See the port."""
        change = {"$set": {"due": Int64(due)}, "$unset": {"o": "", "until": ""}}
        with database_errors():
            await self._jobs.update_one(_held(lease), change)

    async def find(self, kind: JobKind, subject: str) -> Job | None:
        """See the port."""
        with database_errors():
            found = await self._jobs.find_one({"_id": f"{kind.value}:{subject}"})
        return parse_job(found) if found else None


def build_job(job: Job) -> Document:
    """Builds the document of a job that is nobody's yet."""
    return {
        "_id": job.key,
        "k": job.kind.value,
        "s": job.subject,
        "due": Int64(job.due),
        "task": orjson.dumps(job.task),
        "n": job.attempts,
    }


def parse_job(document: Document) -> Job:
    """Returns the job that a document holds."""
    task = orjson.loads(document["task"])
    return Job(JobKind(document["k"]), document["s"], int(document["due"]), task, document["n"], "o" in document)


def _held(lease: Lease) -> Document:
    return {"_id": lease.job.key, "o": lease.owner}
