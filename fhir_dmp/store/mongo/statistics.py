"""Numbers on MongoDB: see fhir_dmp.store.statistics_port, and docs/decisions/0041-statistics.md.

opening   _id by chance · month its first day, ISO 8601 · dep département · ch channel: of nobody, and so kept for good
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from secrets import token_hex
from typing import Any
from zoneinfo import ZoneInfo

from pymongo.asynchronous.database import AsyncDatabase

from fhir_dmp.record.document_type import CLASS
from fhir_dmp.statistics.figures import Fed, Opened, Opening
from fhir_dmp.statistics.periods import Period
from fhir_dmp.store.mongo.facts import in_system
from fhir_dmp.store.mongo.fault import database_errors
from fhir_dmp.store.mongo.indexes import HISTORY, OPENING, RESOURCE

Document = dict[str, Any]
_CATEGORY = "DocumentReference.category"


class MongoStatistics:
    """See the port."""

    def __init__(self, database: AsyncDatabase[Document], milliseconds: int) -> None:
        """`database` has a read concern of majority; a query runs so many `milliseconds` at most."""
        self._openings, self._resources = database[OPENING], database[RESOURCE]
        self._milliseconds = milliseconds

    async def opened(self, months: Period, least: int) -> Sequence[Opened]:
        """See the port."""
        cell = {"month": "$month", "dep": "$dep", "ch": "$ch"}
        pipeline = [
            {"$match": {"month": {"$gte": months.first.isoformat(), "$lt": months.after.isoformat()}}},
            *_count_cells(cell, least),
        ]
        with database_errors():
            found = await self._openings.aggregate(pipeline, maxTimeMS=self._milliseconds)
            return [_parse_opened(row) for row in await found.to_list()]

    async def fed(self, weeks: Period, zone: ZoneInfo, classes: Collection[str], least: int) -> Sequence[Fed]:
        """See the port."""
        pipeline = build_fed(weeks, zone, classes, least)
        with database_errors():
            found = await self._resources.aggregate(pipeline, maxTimeMS=self._milliseconds)
            rows = await found.to_list()
        return [Fed(date.fromisoformat(row["_id"]["w"]), _code(row["_id"]["c"]), row["n"]) for row in rows]


def build_opening(opening: Opening) -> Document:
    """Builds the document of an opening. Its id says nothing, not even when it was made."""
    return {
        "_id": token_hex(16),
        "month": opening.month.isoformat(),
        "dep": opening.department,
        "ch": opening.channel,
    }


def build_fed(weeks: Period, zone: ZoneInfo, classes: Collection[str], least: int) -> list[Document]:
    """Builds the aggregation of the first versions of documents, which are current, or in the history."""
    start, end = (_begin(day, zone) for day in weeks)
    first: list[Document] = [
        {"$match": {"ty": "DocumentReference", "lu": {"$gte": start, "$lt": end}, "v": 1}},
        {"$project": {"_id": 0, "lu": 1, "t": 1}},
    ]
    tokens = [in_system(_CATEGORY, CLASS, code) for code in classes]
    week = {"date": {"$toDate": "$lu"}, "unit": "week", "startOfWeek": "monday", "timezone": str(zone)}
    cell = {
        "w": {"$dateToString": {"date": {"$dateTrunc": week}, "format": "%Y-%m-%d", "timezone": str(zone)}},
        "c": {"$min": {"$setIntersection": [{"$ifNull": ["$t", []]}, tokens]}},
    }
    return [*first, {"$unionWith": {"coll": HISTORY, "pipeline": first}}, *_count_cells(cell, least)]


def _count_cells(cell: Document, least: int) -> list[Document]:
    return [
        {"$group": {"_id": cell, "n": {"$sum": 1}}},
        {"$match": {"n": {"$gte": least}}},
        {"$sort": {"_id": 1}},
    ]


def _begin(day: date, zone: ZoneInfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * 1000


def _parse_opened(row: Document) -> Opened:
    cell = row["_id"]
    return Opened(Opening(date.fromisoformat(cell["month"]), cell["dep"], cell["ch"]), row["n"])


def _code(token: str | None) -> str:
    return token.rpartition("|")[2] if token else ""
