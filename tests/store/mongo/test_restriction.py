"""The restriction of a decision selects, on a real mongod, exactly what an independent evaluator shows the requester.

FHIR_DMP_TEST_EXAMPLES scales the number of random records (default 40). A record of 30 items is asked for by 20
requesters under 20 sets of Consents: 600 decisions, each made four times (mongod, match, the predicate of a document
that was read, the evaluator), and a fifth time with its reason. A default run makes 24,000 of them; 1,700 records make
more than a million.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo import MongoClient
from pymongo.collection import Collection

from fhir_dmp.access.decide import Deny, decide, decide_item
from fhir_dmp.access.inquiry import Inquiry
from fhir_dmp.access.record import RecordState
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.access.simplify import simplify
from fhir_dmp.search.facts import Facts
from fhir_dmp.search.match import matches
from fhir_dmp.search.query import Clause, Nothing
from fhir_dmp.store.mongo.facts import build_fields, parse_facts
from fhir_dmp.store.mongo.filter import build_filter
from fhir_dmp.store.mongo.indexes import INDEXES, RESOURCE
from fhir_dmp.store.mongo.predicate import DECIDING, Predicate, build_predicate, is_complete
from tests.strategies.access import MATRIX, consent, facts, inquiry, record
from tests.strategies.access_oracle import may_see
from tests.strategies.access_worlds import make_consent, make_item, make_person, make_rule, make_traits

Document = dict[str, Any]

EXAMPLES = int(os.environ.get("FHIR_DMP_TEST_EXAMPLES", "40"))
ITEMS, QUESTIONS = 30, 20
WORLDS = settings(max_examples=EXAMPLES, deadline=None)
SEEDS = st.integers(0, 2**64)


@pytest.fixture(scope="module")
def collection(mongodb_client: MongoClient[Document]) -> Iterator[Collection[Document]]:
    database = mongodb_client["test_restriction"]
    database[RESOURCE].create_indexes(INDEXES[RESOURCE])
    yield database[RESOURCE]
    mongodb_client.drop_database("test_restriction")


def build_document(found: Facts) -> Document:
    identity = f"{found.resource_type}/{found.resource_id}"
    return {"_id": identity, "ty": found.resource_type, "lu": found.last_updated, **build_fields(found)}


def clause_of(asked: Inquiry, state: RecordState) -> Clause:
    decision = decide(asked, [state], MATRIX)
    return Nothing() if isinstance(decision, Deny) else decision.restriction.clause


def predicate_of(clause: Clause) -> Predicate:
    predicate = build_predicate(clause)
    assert predicate
    return predicate


def permits_item(asked: Inquiry, state: RecordState, found: Facts) -> bool:
    """The item alone: as if it were of no record of the patient's where it is of nobody's or another's."""
    return decide_item(asked, state, MATRIX, found).permitted


@WORLDS
@given(seed=SEEDS)
def test_the_restriction_selects_what_an_independent_evaluator_permits(
    collection: Collection[Document], seed: int
) -> None:
    random = Random(seed)
    items = list(
        {(item["resourceType"], item["id"]): item for item in (make_item(random, n) for n in range(ITEMS))}.values()
    )
    found = [facts(item) for item in items]
    collection.delete_many({})
    documents = [build_document(row) for row in found]
    collection.insert_many(documents)
    read = list(collection.find({}, DECIDING))
    assert all(map(is_complete, read))
    for _ in range(QUESTIONS):
        who, traits = make_person(random), make_traits(random)
        consents = [make_consent(random, f"c{n}") for n in range(random.randint(0, 4))]
        asked, state = inquiry(who), record(consents, **traits)
        clause = clause_of(asked, state)
        simple = simplify(clause)
        expected = {f"{item['resourceType']}/{item['id']}" for item in items if may_see(who, consents, traits, item)}
        selected = {row["_id"] for row in collection.find(build_filter(clause), {"_id": 1})}
        matched = {f"{row.resource_type}/{row.resource_id}" for row in found if matches(clause, row)}
        simply = {row["_id"] for row in collection.find(build_filter(simple), {"_id": 1})}
        judged = {row["_id"] for row in read if predicate_of(clause)(row)}
        simply_judged = {row["_id"] for row in read if predicate_of(simple)(row)}
        explained = {f"{row.resource_type}/{row.resource_id}" for row in found if permits_item(asked, state, row)}
        assert selected == matched == judged == explained == expected, (who, traits, consents)
        assert simply == simply_judged == expected, (who, traits, consents)


@WORLDS
@given(seed=SEEDS)
def test_facts_read_back_from_a_document_are_decided_the_same(seed: int) -> None:
    random = Random(seed)
    found = [facts(make_item(random, number)) for number in range(10)]
    read = [parse_facts(build_document(row)) for row in found]
    for _ in range(5):
        consents = [make_consent(random, f"c{n}") for n in range(3)]
        clause = clause_of(inquiry(make_person(random)), record(consents))
        assert [matches(clause, row) for row in read] == [matches(clause, row) for row in found]


@WORLDS
@given(seed=SEEDS)
def test_adding_a_denial_never_adds_an_item_and_adding_a_permit_never_removes_one(seed: int) -> None:
    random = Random(seed)
    found = [facts(make_item(random, number)) for number in range(ITEMS)]
    for _ in range(4):
        asked, consents = inquiry(make_person(random)), [make_consent(random, f"c{n}") for n in range(3)]
        before = {row for row in found if matches(clause_of(asked, record(consents)), row)}
        for effect in ("deny", "permit"):
            added = [*consents, consent("added", make_rule(random, 0, effect))]
            after = {row for row in found if matches(clause_of(asked, record(added)), row)}
            assert after <= before if effect == "deny" else after >= before


@WORLDS
@given(seed=SEEDS)
def test_a_restriction_among_some_types_is_the_same_of_these(seed: int) -> None:
    random = Random(seed)
    found = [facts(make_item(random, number)) for number in range(ITEMS)]
    types = frozenset(random.sample(sorted({row.resource_type for row in found}), 2))
    for _ in range(QUESTIONS):
        state = record([make_consent(random, f"c{n}") for n in range(3)])
        restriction = Restriction(clause_of(inquiry(make_person(random)), state))
        narrowed = restriction.among(types).clause
        for row in (row for row in found if row.resource_type in types):
            assert matches(narrowed, row) == matches(restriction.clause, row)


@WORLDS
@given(seed=SEEDS)
def test_the_order_of_consents_and_of_their_keys_decides_nothing(seed: int) -> None:
    random = Random(seed)
    found = [facts(make_item(random, number)) for number in range(10)]
    consents = [make_consent(random, f"c{n}") for n in range(4)]
    turned = [dict(reversed(list(row.items()))) for row in reversed(consents)]
    asked = inquiry(make_person(random))
    one, other = clause_of(asked, record(consents)), clause_of(asked, record(turned))
    assert [matches(one, row) for row in found] == [matches(other, row) for row in found]
