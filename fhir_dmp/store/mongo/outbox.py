"""The outbox on MongoDB: see fhir_dmp.store.event_port.

notice   _id subscription/Type/id/version · s subscription · r Type/id · v · m · at
         · o order of events, "" of a handshake · st due, sent or dead · due · n failed attempts
         · num its number once it is sent · again whether it was dead · gone when MongoDB may drop it
told     _id subscription · n how many notices it was told
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import Int64
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase

from fhir_dmp.access.inquiry import SUBSCRIPTION
from fhir_dmp.instant import Milliseconds
from fhir_dmp.resource import Identity
from fhir_dmp.store.event_port import Notice, Written
from fhir_dmp.store.mongo.fault import database_errors, where_found
from fhir_dmp.store.mongo.indexes import NOTICE, TOLD

Document = dict[str, Any]

KEPT = timedelta(days=30)
"""How long it can be asked what was sent, and dead letters can be looked at."""


class MongoOutbox:
    """See the port."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        """`database` has the concerns of what is durable; its collections exist."""
        self._database = database
        self._notices, self._told = database[NOTICE], database[TOLD]

    async def due(self, now: Milliseconds, busy: Collection[str]) -> Sequence[Notice]:
        """See the port."""
        with database_errors():
            rows = await (await self._notices.aggregate(build_due(now, busy))).to_list()
        return [_parse(row["first"]) for row in rows]

    async def told(self, subscription_id: str) -> int:
        """See the port."""
        with database_errors():
            found = await self._told.find_one({"_id": subscription_id})
        return found["n"] if found else 0

    async def sent(self, subscription_id: str, since: int, until: int, limit: int) -> Sequence[Notice]:
        """See the port."""
        wanted = {"s": subscription_id, "st": "sent", "num": {"$gte": Int64(since), "$lte": Int64(until)}}
        with database_errors():
            rows = await self._notices.find(wanted).sort("num", 1).limit(limit).to_list()
        return [_parse(row) for row in rows]

    async def deliver(self, notice: Notice, number: int) -> None:
        """See the port."""
        sent = {"$set": {"st": "sent", "num": number, "gone": _gone()}}

        async def work(session: AsyncClientSession) -> None:
            if not number:
                await self._notices.delete_one({"_id": notice.key}, session=session)
                return
            done = await self._notices.update_one({"_id": notice.key, "st": "due"}, sent, session=session)
            if done.matched_count:
                key = {"_id": notice.subscription_id}
                await self._told.update_one(key, {"$max": {"n": number}}, upsert=True, session=session)

        with database_errors():
            async with self._database.client.start_session() as session:
                await session.with_transaction(where_found(work))

    async def discard(self, notice: Notice) -> None:
        """See the port."""
        with database_errors():
            await self._notices.delete_one({"_id": notice.key})

    async def postpone(self, notice: Notice, due: Milliseconds, *, has_failed: bool = True) -> None:
        """See the port."""
        later = {"$set": {"due": Int64(due)}, "$inc": {"n": int(has_failed)}}
        with database_errors():
            await self._notices.update_one({"_id": notice.key}, later)

    async def bury(self, subscription_id: str) -> None:
        """See the port."""
        dead = {"$set": {"st": "dead", "gone": _gone()}}
        with database_errors():
            await self._notices.update_many({"s": subscription_id, "st": "due"}, dead)

    async def revive(self, subscription_id: str) -> int:
        """See the port."""
        # a handshake is not sent again: it belongs to the version of the Subscription that asked for it
        dead = {"s": subscription_id, "st": "dead", "o": {"$gt": ""}}
        due = {"$set": {"st": "due", "due": Int64(0), "n": 0, "again": True}, "$unset": {"gone": ""}}
        with database_errors():
            return (await self._notices.update_many(dead, due)).modified_count

    async def has_told_later(self, notice: Notice) -> bool:
        """See the port."""
        of_it = f"{notice.subscription_id}/{notice.event.identity}"
        # all versions of one resource lie together in the index of keys: 0 is what follows the slash
        of_any_version = {"$gt": f"{of_it}/", "$lt": f"{of_it}0"}
        later = {"_id": of_any_version, "st": "sent", "v": {"$gt": notice.event.version_id}}
        with database_errors():
            return await self._notices.find_one(later, {"_id": 1}) is not None


def build_due(now: Milliseconds, busy: Collection[str]) -> list[Document]:
    """Builds the pipeline that finds what is due.

    It sorts as the index does, from which MongoDB takes the first of each group alone: what waits behind costs nothing.
    """
    return [
        {"$match": {"st": "due", "s": {"$nin": list(busy)}}},
        {"$sort": {"st": 1, "s": 1, "o": 1}},
        {"$group": {"_id": "$s", "first": {"$first": "$$ROOT"}}},
        {"$match": {"first.due": {"$lte": Int64(now)}}},
    ]


def build_notice(notice: Notice) -> Document:
    """Builds the document of a notice that is due at once."""
    event = notice.event
    return {
        "_id": notice.key,
        "s": notice.subscription_id,
        "r": str(event.identity),
        "v": event.version_id,
        "m": event.method,
        "at": Int64(event.at),
        "o": "" if event.identity.resource_type == SUBSCRIPTION else event.order,
        "st": "due",
        "due": Int64(0),
        "n": 0,
    }


def _parse(row: Document) -> Notice:
    event = Written(Identity(*row["r"].split("/")), row["v"], row["m"], int(row["at"]), row["o"])
    return Notice(row["s"], event, row["n"], row.get("num", 0), row.get("again", False))


def _gone() -> datetime:
    return datetime.now(UTC) + KEPT
