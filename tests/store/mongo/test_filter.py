"""The MongoDB filter of a clause selects exactly the resources that match it, on a real mongod.

FHIR_DMP_TEST_EXAMPLES scales the number of random worlds (default 40). A world of 30 resources decides 40 searches, 11
combined clauses, 20 searches within patients' records or (of 15 resources) 15 by date, so a default run makes 94,000
decisions against mongod.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient
from pymongo.collection import Collection

from fhir_dmp.json_text import parse_json
from fhir_dmp.search.facts import Facts
from fhir_dmp.search.index import Indexer
from fhir_dmp.search.match import matches
from fhir_dmp.search.parse import parse_search
from fhir_dmp.search.query import (
    AboutPatient,
    And,
    Clause,
    Contains,
    Everything,
    Handling,
    Has,
    LinkValue,
    Not,
    Nothing,
    OfType,
    Or,
    TokenValue,
    WordsValue,
)
from fhir_dmp.store.mongo.contained import build_contained_count
from fhir_dmp.store.mongo.facts import build_fields, parse_facts
from fhir_dmp.store.mongo.filter import NOTHING, after_prefix, build_filter
from fhir_dmp.store.mongo.indexes import INDEXES, RESOURCE
from tests.strategies.search import IDS, NOW, REFERENCES, SPACE, TERMS, TYPES, World, make_space, worlds

Document = dict[str, Any]

EXAMPLES = int(os.environ.get("FHIR_DMP_TEST_EXAMPLES", "40"))
RESOURCES, SEARCHES = 30, 40
CASES = Path(__file__).parents[2] / "search" / "cases"
TABLES = [
    case
    for name in (
        "general",
        "number",
        "date",
        "string",
        "uri",
        "token",
        "quantity",
        "reference",
        "modifier",
        "composite",
        "special",
        "filter",
        "contained",
    )
    for case in parse_json((CASES / f"{name}.json").read_bytes())
]
INDEXER = Indexer(SPACE)
WORLDS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


@pytest.fixture(scope="module")
def collection(mongodb_client: MongoClient[Document]) -> Iterator[Collection[Document]]:
    """A collection with the indexes that a server creates."""
    database = mongodb_client["test_filter"]
    database[RESOURCE].create_indexes(INDEXES[RESOURCE])
    yield database[RESOURCE]
    mongodb_client.drop_database("test_filter")


def store(collection: Collection[Document], world: World) -> list[Facts]:
    """Replaces what is in the collection; returns the facts of it."""
    found = [INDEXER.facts(resource) for resource in world.resources]
    collection.delete_many({})
    collection.insert_many([build_document(facts) for facts in found])
    return found


def build_document(facts: Facts) -> Document:
    """The document of a resource as far as searches read it."""
    identity = f"{facts.resource_type}/{facts.resource_id}"
    return {"_id": identity, "ty": facts.resource_type, "lu": facts.last_updated, **build_fields(facts)}


def select(collection: Collection[Document], *parts: Clause, is_by_date: bool = False) -> set[str]:
    """The resources that the filter selects, by id; ids are unique in a batch."""
    wanted = build_filter(*parts, is_by_date=is_by_date)
    return {row["_id"].partition("/")[2] for row in collection.find(wanted, {"_id": 1})}


def meaning(found: Sequence[Facts], *parts: Clause) -> set[str]:
    """The resources that match."""
    return {facts.resource_id for facts in found if all(matches(part, facts) for part in parts)}


def test_filter_decides_every_case_of_the_tables(collection: Collection[Document]) -> None:
    space = make_space(sorted({case["resource"]["resourceType"] for case in TABLES}))
    indexer = Indexer(space)
    for case in TABLES:
        facts = indexer.facts({"id": "1", **case["resource"]})
        collection.delete_many({})
        collection.insert_one(build_document(facts))
        for query in [*case["matches"], *case["misses"]]:
            parameters = parse_qsl(query, keep_blank_values=True)
            kind = case.get("asked", facts.resource_type)
            parsed = parse_search(
                kind, parameters, space=space, handling=Handling.STRICT, now=NOW, terms=TERMS, may_contain=True
            )
            expected = {facts.resource_id} if query in case["matches"] else set()
            for part in (Everything(), AboutPatient((facts.patient or "",))):
                wanted = expected if matches(part, facts) else set()
                assert select(collection, parsed.clause, part) == wanted, (case["line"], query)


def test_a_value_that_is_said_twice_is_looked_up_once(collection: Collection[Document]) -> None:
    """MongoDB finds nothing by two equal alternatives beside another condition, within other alternatives."""
    contained = {"resourceType": "Observation", "id": "a", "status": "final", "code": {"text": "x"}}
    narrative = {"status": "generated", "div": "<div>droit</div>"}
    resource = {**contained, "id": "1", "text": narrative, "contained": [contained]}
    facts = Indexer(make_space(["Observation"])).facts(resource)
    collection.delete_many({})
    collection.insert_one(build_document(facts))
    status = Has("Observation", "status", (TokenValue(None, "final"), TokenValue(None, "amended")))
    alternative = And((OfType(("Observation",)), Has("Observation", "_text", (WordsValue(("droit",)),) * 2), status))
    assert matches(alternative, facts)
    assert select(collection, Or((alternative, Contains(alternative)))) == {"1"}


@WORLDS
@given(world=worlds(size=RESOURCES, asked=SEARCHES))
def test_filter_selects_what_matches(collection: Collection[Document], world: World) -> None:
    found = store(collection, world)
    for search in world.searches:
        assert select(collection, search.clause) == meaning(found, search.clause), search.text


@WORLDS
@given(world=worlds(size=RESOURCES, combined=12))
def test_filter_of_combined_clauses_selects_what_matches(collection: Collection[Document], world: World) -> None:
    found = store(collection, world)
    restriction = world.clauses[0]
    for clause in world.clauses[1:]:
        assert select(collection, clause, restriction) == meaning(found, clause, restriction), clause


@WORLDS
@given(world=worlds(size=RESOURCES, asked=20), patients=st.sets(st.sampled_from(IDS)))
def test_searches_within_the_records_of_patients_select_what_matches(
    collection: Collection[Document], world: World, patients: set[str]
) -> None:
    found = store(collection, world)
    about = AboutPatient(tuple(sorted(patients)))
    for search in world.searches:
        assert select(collection, search.clause, about) == meaning(found, search.clause, about), search.text


@WORLDS
@given(world=worlds(size=15, asked=15))
def test_filter_of_rows_by_date_selects_what_matches(collection: Collection[Document], world: World) -> None:
    found = store(collection, world)
    for search in world.searches:
        assert select(collection, search.clause, is_by_date=True) == meaning(found, search.clause), search.text


@WORLDS
@given(world=worlds(size=15, combined=5))
def test_contained_resources_are_counted_one_by_one(collection: Collection[Document], world: World) -> None:
    found = store(collection, world)
    restriction = world.clauses[0]
    for clause in world.clauses[1:]:
        counted = collection.aggregate(build_contained_count(clause, restriction, 0)).to_list()
        inside = [fact.facts for facts in found if matches(restriction, facts) for fact in facts.contained]
        assert sum(row["total"] for row in counted) == sum(matches(clause, facts) for facts in inside), clause


@WORLDS
@given(world=worlds(size=10, asked=10))
def test_facts_read_back_from_a_document_match_the_same(world: World) -> None:
    for resource in world.resources:
        facts = INDEXER.facts(resource)
        read = parse_facts(build_document(facts))
        for search in world.searches:
            assert matches(search.clause, read) == matches(search.clause, facts), search.text


@WORLDS
@given(world=worlds(size=10))
def test_being_about_a_patient_is_having_his_reference_where_it_does_not_repeat(world: World) -> None:
    for facts in map(INDEXER.facts, world.resources):
        for alias in SPACE.main(facts.resource_type).patient_aliases:
            for patient in IDS:
                has = Has(facts.resource_type, alias, (LinkValue((f"Patient/{patient}",)),))
                assert matches(has, facts) == (facts.patient == patient), alias


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        (Everything(), {}),
        (Nothing(), NOTHING),
        (And(()), {}),
        (Or(()), NOTHING),
        (Not(Everything()), {"$nor": [{}]}),
        (Or((Everything(), Nothing())), {}),
        (And((Everything(), OfType(("Patient",)))), {"ty": "Patient"}),
        (OfType(()), NOTHING),
        (Has("Observation", "focus", (LinkValue(()),)), NOTHING),
        (AboutPatient(("1", "2", "1")), {"pt": {"$in": ["1", "2"]}}),
    ],
)
def test_simple_clauses_have_simple_filters(clause: Clause, expected: Document) -> None:
    assert build_filter(clause) == expected


def test_a_type_that_a_parameter_implies_is_not_asked_for_again() -> None:
    has = Has("Observation", "subject", (LinkValue((REFERENCES[0],)),))
    assert build_filter(OfType(("Observation",)), has) == {"t": "Observation.subject>Patient/1"}
    assert build_filter(OfType(("Patient",)), has) != build_filter(has)


@given(st.text(min_size=1), st.text())
def test_texts_with_a_prefix_lie_below_what_follows_it(prefix: str, rest: str) -> None:
    whole, following = f"P{prefix}{rest}".encode(), after_prefix(f"P{prefix}").encode()
    assert f"P{prefix}".encode() <= whole < following


@given(st.text(min_size=1), st.text(min_size=1))
def test_texts_without_a_prefix_lie_outside_its_range(prefix: str, other: str) -> None:
    beginning, whole = f"P{prefix}", f"P{other}"
    inside = beginning.encode() <= whole.encode() < after_prefix(beginning).encode()
    assert inside == whole.startswith(beginning)


def test_every_type_of_parameter_is_among_the_random_searches() -> None:
    kinds = {parameter.type for name in TYPES for parameter in SPACE.indexed(name)}
    assert kinds == {"token", "string", "date", "reference", "uri", "number", "quantity", "composite", "special"}
