"""What is due is found by the index alone, however much waits behind the first notice of each subscription."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pymongo import MongoClient

from fhir_dmp.resource import Identity
from fhir_dmp.store.event_port import Notice, Written
from fhir_dmp.store.mongo.indexes import INDEXES, NOTICE
from fhir_dmp.store.mongo.outbox import build_due, build_notice

Document = dict[str, Any]
SUBSCRIPTIONS, EACH = 20, 50


@pytest.mark.parametrize("busy", [[], ["s3", "s7"]])
def test_of_each_subscription_one_notice_is_looked_at(
    mongodb_client: MongoClient[Document], database_name: str, busy: list[str]
) -> None:
    notices = mongodb_client[database_name][NOTICE]
    notices.create_indexes(INDEXES[NOTICE])
    events = [Written(Identity("Observation", str(number)), 1, "POST", 1, f"{number:04}") for number in range(EACH)]
    rows = [build_notice(Notice(f"s{name}", event)) for name in range(SUBSCRIPTIONS) for event in events]
    notices.insert_many(rows)
    # what was sent long outnumbers what is due
    notices.insert_many([{**row, "_id": f"{row['_id']}/sent", "st": "sent", "num": 1} for row in rows])
    pipeline = build_due(1, busy)
    first = [row["first"] for row in notices.aggregate(pipeline)]
    assert {row["s"] for row in first} == {row["s"] for row in rows} - {*busy}
    assert {row["o"] for row in first} == {"0000"}
    command = {"aggregate": NOTICE, "pipeline": pipeline, "cursor": {}}
    explained = mongodb_client[database_name].command("explain", command, verbosity="executionStats")
    assert "DISTINCT_SCAN" in json.dumps(explained, default=str)
    (examined,) = [
        row["$cursor"]["executionStats"]["totalDocsExamined"] for row in explained["stages"] if "$cursor" in row
    ]
    assert examined == len(first)
