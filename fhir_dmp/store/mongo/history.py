"""HistoryQuery → MongoDB filter. Pure.

A past version is shown by two rules, of which the stricter wins: its own facts, and those of the newest version of its
resource. What was open once and is masked now has no history for whoever it is masked from.
"""

from __future__ import annotations

from typing import Any

from fhir_dmp.search.query import Clause, Everything
from fhir_dmp.store.mongo.filter import all_of, build_filter
from fhir_dmp.store.mongo.indexes import HISTORY, RESOURCE
from fhir_dmp.store.port import HistoryKey, HistoryQuery

Document = dict[str, Any]


def build_history_filter(query: HistoryQuery, restriction: Clause, field: str, *, paged: bool) -> Document:
    """Builds the filter of one collection, whose `field` holds `Type/id`; without `paged`, of the whole history."""
    parts: list[Document] = [_about(build_filter(restriction), field)]
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


def build_past_pipeline(
    query: HistoryQuery, restriction: Clause, stages: list[Document], *, paged: bool
) -> list[Document]:
    """Builds the pipeline over the past versions; `stages` come after it has settled which of them are shown."""
    wanted = build_history_filter(query, restriction, "r", paged=paged)
    order = {"$sort": {"lu": -1, "r": -1, "v": -1}}
    return [{"$match": wanted}, *([order] if paged else []), *_still_shown(restriction), *stages]


def build_deletion_filter(restriction: Clause) -> Document:
    """Builds the filter of the deletions that nothing followed: the newest versions of resources that are gone."""
    return all_of([{"su": None}, _about(build_filter(restriction), "r")])


def _still_shown(restriction: Clause) -> list[Document]:
    """The stages that keep the versions of resources whose newest version is shown too, be it a deletion."""
    if isinstance(restriction, Everything):
        return []
    of_current = {"from": RESOURCE, "localField": "r", "foreignField": "_id", "as": "current"}
    of_deletion = {"from": HISTORY, "localField": "r", "foreignField": "r", "as": "deletion"}
    bare = {"$project": {"_id": 1}}
    return [
        {"$lookup": {**of_current, "pipeline": [{"$match": build_filter(restriction)}, bare]}},
        {"$lookup": {**of_deletion, "pipeline": [{"$match": build_deletion_filter(restriction)}, bare]}},
        {"$match": {"$or": [{"current": {"$ne": []}}, {"deletion": {"$ne": []}}]}},
    ]


def _about(value: Any, field: str) -> Any:  # noqa: ANN401  a filter, or whatever stands in one
    """The filter of current versions, for documents whose `field` holds `Type/id`."""
    if isinstance(value, dict):
        return {field if key == "_id" else key: _about(item, field) for key, item in value.items()}
    return [_about(item, field) for item in value] if isinstance(value, list) else value


def _build_after(key: HistoryKey, field: str) -> Document:
    same_time = {"lu": key.last_updated}
    return {
        "$or": [
            {"lu": {"$lt": key.last_updated}},
            {**same_time, field: {"$lt": key.reference}},
            {**same_time, field: key.reference, "v": {"$lt": key.version_id}},
        ]
    }
