"""From what matches to what it refers to by one parameter: an aggregation over the references in `t`. Pure."""

from __future__ import annotations

from typing import Any

from fhir_dmp.search.query import Hop
from fhir_dmp.store.mongo.facts import linked
from fhir_dmp.store.mongo.filter import Filter, after_prefix

Document = dict[str, Any]


def build_hop_pipeline(wanted: Filter, hop: Hop, limit: int) -> list[Document]:
    """Builds the aggregation of the distinct references by a hop, as `_id`; at most `limit` rows."""
    start = linked(f"{hop.resource_type}.{hop.parameter}", f"{hop.target}/")
    is_led_to = {"t": {"$gte": start, "$lt": after_prefix(start)}}
    # a versioned reference stands there without its version, too
    plain = {"$not": {"$regexMatch": {"input": "$t", "regex": "/_history/"}}}
    return [
        {"$match": wanted},
        {"$project": {"_id": 0, "t": 1}},
        {"$unwind": "$t"},
        {"$match": {**is_led_to, "$expr": plain}},
        {"$group": {"_id": "$t"}},
        {"$limit": limit},
    ]
