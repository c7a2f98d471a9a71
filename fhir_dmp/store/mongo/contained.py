"""From what contains to what is contained: an aggregation over the documents in `ct`. Pure."""

from __future__ import annotations

from typing import Any

from fhir_dmp.search.query import Clause, Contains
from fhir_dmp.store.mongo.filter import build_filter, without_places

Document = dict[str, Any]


def build_contained_count(clause: Clause, restriction: Clause, limit: int) -> list[Document]:
    """Builds the aggregation that counts, as `total`, the contained resources of which a clause is true.

    There is no row where there is none. It counts no further than `limit`, 0 for no limit.
    """
    return [
        {"$match": build_filter(Contains(clause), restriction)},
        {"$project": {"_id": 0, "ct": 1}},
        {"$unwind": "$ct"},
        {"$replaceRoot": {"newRoot": "$ct"}},
        {"$match": build_filter(without_places(clause))},
        *([{"$limit": limit}] if limit else []),
        {"$count": "total"},
    ]
