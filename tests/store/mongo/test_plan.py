"""Pages of a search, on a real mongod: the order of the reference sort, every row exactly once, never skipping."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient
from pymongo.collection import Collection

from fhir_dmp.json_text import parse_json
from fhir_dmp.search.facts import Facts
from fhir_dmp.search.index import Indexer
from fhir_dmp.search.match import matches
from fhir_dmp.search.order import in_order
from fhir_dmp.search.page import Cursors
from fhir_dmp.search.parse import parse_search
from fhir_dmp.search.query import AboutPatient, And, Clause, Everything, Handling, Not, OfType, Or, SearchQuery, SortKey
from fhir_dmp.store.mongo.facts import build_fields
from fhir_dmp.store.mongo.indexes import INDEXES, RESOURCE
from fhir_dmp.store.mongo.plan import SearchPlan, build_plan, read_sort_keys
from tests.strategies.search import NOW, SPACE, Focus, clauses, foci, resources, sorts

Document = dict[str, Any]

EXAMPLES = int(os.environ.get("FHIR_DMP_TEST_EXAMPLES", "40"))
INDEXER = Indexer(SPACE)
TABLE = parse_json((Path(__file__).parents[2] / "search" / "cases" / "order.json").read_bytes())
CURSORS = Cursors(b"secret")
WORLDS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


@pytest.fixture(scope="module")
def collection(mongodb_client: MongoClient[Document]) -> Iterator[Collection[Document]]:
    """A collection with the indexes that a server creates."""
    database = mongodb_client["test_plan"]
    database[RESOURCE].create_indexes(INDEXES[RESOURCE])
    yield database[RESOURCE]
    mongodb_client.drop_database("test_plan")


def build_document(facts: Facts) -> Document:
    """The document of a resource as far as searches read it."""
    identity = f"{facts.resource_type}/{facts.resource_id}"
    return {"_id": identity, "ty": facts.resource_type, "lu": facts.last_updated, **build_fields(facts)}


def fetch(collection: Collection[Document], plan: SearchPlan, limit: int) -> list[Document]:
    """The rows of a page."""
    projection = plan.build_projection({"ty": 1})
    if plan.computed:
        return list(collection.aggregate(plan.build_pipeline(limit, {"ty": 1})))
    return list(collection.find(plan.find_filter, projection).sort(list(plan.order)).limit(limit))


def walk(collection: Collection[Document], query: SearchQuery, restriction: Clause, size: int) -> list[str]:
    """The ids on all pages, each page continued through a cursor."""
    seen: list[str] = []
    while True:
        rows = fetch(collection, build_plan(query, restriction), size)
        seen += [row["_id"] for row in rows]
        if len(rows) < size:
            return seen
        cursor = CURSORS.write(read_sort_keys(rows[-1], query), "test")
        query = replace(query, after=tuple(CURSORS.read(cursor, "test")))


def walk_back(collection: Collection[Document], query: SearchQuery, restriction: Clause, size: int) -> list[str]:
    """The ids on all pages before the last row of all, in order, each page continued through a cursor."""
    rows = fetch(collection, build_plan(query, restriction), 100)
    seen: list[str] = []
    while rows:
        cursor = CURSORS.write(read_sort_keys(rows[-1], query), "test")
        query = replace(query, before=tuple(CURSORS.read(cursor, "test")))
        rows = fetch(collection, build_plan(query, restriction), size)
        seen += [row["_id"] for row in rows]
    return seen[::-1]


@WORLDS
@given(data=st.data(), focus=foci(), size=st.integers(1, 9))
def test_pages_hold_every_row_once_in_the_order_asked_for(
    collection: Collection[Document], data: st.DataObject, focus: Focus, size: int
) -> None:
    resource_type, codes = next(iter(focus.items()))
    batch = data.draw(st.tuples(*(resources(str(number), {resource_type: codes}) for number in range(20))))
    found = [INDEXER.facts(resource) for resource in batch]
    collection.delete_many({})
    collection.insert_many([build_document(facts) for facts in found])
    restriction = data.draw(st.one_of(clauses(focus).map(Not), st.just(AboutPatient(("1",)))))
    for sort in data.draw(st.lists(sorts(resource_type, codes), min_size=4, max_size=4)):
        query = SearchQuery((resource_type,), OfType((resource_type,)), sort)
        expected = [facts for facts in in_order(found, sort) if matches(restriction, facts)]
        ids = [f"{resource_type}/{facts.resource_id}" for facts in expected]
        assert walk(collection, query, restriction, size) == ids
        assert walk_back(collection, query, restriction, size) == ids[:-1]


def test_pages_stand_in_the_order_of_the_table(collection: Collection[Document]) -> None:
    found = [INDEXER.facts({"resourceType": "Patient", **person}) for person in TABLE["resources"]]
    collection.delete_many({})
    collection.insert_many([build_document(facts) for facts in found])
    for written, expected in TABLE["orders"].items():
        query = parse([("_sort", written)], "Patient")
        assert walk(collection, query, Everything(), 2) == [f"Patient/{number}" for number in expected], written


def parse(parameters: list[tuple[str, str]], resource_type: str | None = "Observation") -> SearchQuery:
    return parse_search(resource_type, parameters, space=SPACE, handling=Handling.STRICT, now=NOW)


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("", (("_id", 1),)),
        ("_id", (("_id", 1),)),
        ("-_id", (("_id", -1),)),
        ("_lastUpdated", (("lu", 1), ("_id", 1))),
        ("-date", (("dl", -1), ("_id", -1))),
        ("-date,_id,status", (("dl", -1), ("_id", 1))),
        ("date,-_id", (("dl", 1), ("_id", -1))),
        ("-date,_lastUpdated,date", (("dl", -1), ("lu", 1), ("_id", 1))),
    ],
)
def test_orders_by_fields_of_the_document_are_finds(sort: str, order: tuple[tuple[str, int], ...]) -> None:
    plan = build_plan(parse([("_sort", sort)]), Everything())
    assert (plan.order, plan.computed) == (order, {})


def test_an_order_that_an_index_has_after_the_type_comes_with_the_type() -> None:
    """Without it, the newest of a code that a quarter of all has would be found by sorting that quarter."""
    for sort in ("-date", "_lastUpdated"):
        plan = build_plan(parse([("code", "c7"), ("_sort", sort)]), Everything())
        assert {"ty": "Observation"} in plan.filter["$and"]


def test_other_orders_are_aggregations() -> None:
    plan = build_plan(parse([("_sort", "status,-date")]), Everything())
    assert plan.order == (("k0", 1), ("dl", -1), ("_id", -1))
    assert set(plan.computed) == {"k0"}


def test_the_default_order_stays_within_the_ids_of_the_type() -> None:
    """Before and beyond are the ids of others: of few rows that match, the last would be looked for in all of them."""
    query = replace(parse([]), after=("Observation/7",))
    ids = {"_id": {"$gte": "Observation/", "$lt": "Observation0"}}
    for clause in (OfType(("Observation",)), And((OfType(("Observation",)), Everything()))):
        plan = build_plan(replace(query, clause=clause), Everything())
        assert plan.filter == {"$and": [ids, {"ty": "Observation"}]}
        assert plan.after == {"_id": {"$gt": "Observation/7"}}
    for several in (OfType(("Observation", "Patient")), Or((OfType(("Observation",)), Everything()))):
        plan = build_plan(replace(query, clause=several), Everything())
        assert "_id" not in str(plan.filter)


def test_keys_that_are_decimals_pass_through_a_cursor() -> None:
    keys: list[SortKey] = [Decimal("1.50"), Decimal("-Infinity"), 2**62, None, "Patient/1"]
    assert CURSORS.read(CURSORS.write(keys, "a"), "a") == keys


PATIENT = [("patient", "Patient/7")]
INDEXED = [
    ([("identifier", "http://s|a7")], "tokens", True),
    ([("code", "c7"), ("status", "amended")], "tokens", True),
    ([("value-string", "abc39")], "strings", True),
    ([("date", "2014-01")], "dates", True),
    ([("date", "lt2001")], "dates", True),
    ([("component-value-quantity", "lt7||mg")], "quantities", True),
    ([("_lastUpdated", "ge2024"), ("_sort", "-_lastUpdated")], "last-updated", False),
    ([("code", "http://s|c7"), ("_sort", "-date")], "code-date", False),
    ([("code", "http://s|c7,http://s|c8"), ("date", "ge2014"), ("_sort", "-date")], "code-date", False),
    ([*PATIENT, ("_sort", "-date")], "patient-date", False),
    ([*PATIENT, ("_sort", "date")], "patient-date", False),
    ([*PATIENT, ("date", "ge2014"), ("_sort", "-date")], "patient-date", False),
    ([*PATIENT, ("code", "http://s|c7"), ("_sort", "-date")], "patient-code", False),
    ([("_id", "1,2")], "_id_", False),
    ([], "_id_", False),
]


@pytest.mark.parametrize(("parameters", "index", "sorts_rows"), INDEXED, ids=[str(row[0]) for row in INDEXED])
def test_typical_searches_run_on_an_index(
    collection: Collection[Document], parameters: list[tuple[str, str]], index: str, sorts_rows: bool
) -> None:
    collection.delete_many({})
    collection.insert_many([build_document(INDEXER.facts(_observation(number))) for number in range(400)])
    plan = build_plan(parse(parameters), Everything())
    rows = collection.find(plan.find_filter).sort(list(plan.order)).limit(20)
    winning = rows.explain()["queryPlanner"]["winningPlan"]
    assert set(_indexes(winning)) == {index}
    assert ("SORT" in _stages(winning)) == sorts_rows


def _observation(number: int) -> Document:
    return {
        "resourceType": "Observation",
        "id": str(number),
        "meta": {"lastUpdated": f"2024-01-01T00:{number // 60:02}:{number % 60:02}Z"},
        "status": "final" if number % 3 else "amended",
        "identifier": [{"system": "http://s", "value": f"a{number}"}],
        "code": {"coding": [{"system": "http://s", "code": f"c{number % 50}"}]},
        "subject": {"reference": f"Patient/{number % 20}"},
        "effectiveDateTime": f"20{number % 24:02}-0{number % 9 + 1}-11",
        "valueString": f"abc{number}",
        "component": [{"valueQuantity": {"value": number, "code": "mg"}}],
    }


def _stages(plan: Document) -> list[str]:
    return [plan["stage"], *(stage for child in _children(plan) for stage in _stages(child))]


def _indexes(plan: Document) -> list[str]:
    own = [plan["indexName"]] if "indexName" in plan else []
    return own + [name for child in _children(plan) for name in _indexes(child)]


def _children(plan: Document) -> list[Document]:
    return [*plan.get("inputStages", []), *([plan["inputStage"]] if "inputStage" in plan else [])]
