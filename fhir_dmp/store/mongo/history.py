"""HistoryQuery → MongoDB filter. Pure."""

from __future__ import annotations

from typing import Any

from fhir_dmp.search.query import Clause
from fhir_dmp.store.mongo.filter import build_filter
from fhir_dmp.store.port import HistoryKey, HistoryQuery

Document = dict[str, Any]


def build_history_filter(query: HistoryQuery, restriction: Clause, field: str, *, paged: bool) -> Document:
    """Builds the filter of one collection, whose `field` holds `Type/id`; without `paged`, of the whole history."""
    parts: list[Document] = [build_filter(restriction)]
    if query.identity:
        parts.append({field: str(query.identity)})
    if query.resource_types:
        parts.append({"ty": {"$in": list(query.resource_types)}})
    if query.since is not None:
        parts.append({"lu": {"$gte": query.since}})
    if query.at:
        start, end = query.at
        parts += [{"lu": {"$lt": end}}, {"$or": [{"su": None}, {"su": {"$gt": start}}]}]
    if paged and query.after:
        parts.append(_build_after(query.after, field))
    parts = [part for part in parts if part]
    return {"$and": parts} if parts else {}


def _build_after(key: HistoryKey, field: str) -> Document:
    same_time = {"lu": key.last_updated}
    return {
        "$or": [
            {"lu": {"$lt": key.last_updated}},
            {**same_time, field: {"$lt": key.reference}},
            {**same_time, field: key.reference, "v": {"$lt": key.version_id}},
        ]
    }
