"""Searches with modifiers select on a real mongod what they match, on parameters that take them all.

FHIR_DMP_TEST_EXAMPLES scales the number of random worlds (default 40), each of 20 resources and 30 searches.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient
from pymongo.collection import Collection

from fhir_dmp.search.facts import Facts
from fhir_dmp.search.index import Indexer
from fhir_dmp.search.match import matches
from fhir_dmp.search.modifier import modifiers_of
from fhir_dmp.search.query import AboutPatient, Clause, Has, LinkPrefix, TokenPrefix
from fhir_dmp.store.mongo.facts import build_fields, parse_facts
from fhir_dmp.store.mongo.filter import build_filter
from fhir_dmp.store.mongo.indexes import INDEXES, RESOURCE
from tests.strategies.search import SPACE, World, resources, searches

Document = dict[str, Any]

EXAMPLES = int(os.environ.get("FHIR_DMP_TEST_EXAMPLES", "40"))
FOCUS = {
    "Patient": ["identifier", "gender", "name", "general-practitioner"],
    "Observation": [
        "code",
        "identifier",
        "subject",
        "value-quantity",
        "code-value-quantity",
        "combo-code-value-concept",
    ],
    "DocumentReference": ["contenttype", "type"],
    "ValueSet": ["url", "status"],
    "CarePlan": ["instantiates-canonical", "instantiates-uri"],
}
INDEXER = Indexer(SPACE)
WORLDS = st.builds(
    World,
    st.tuples(*(resources(str(number), FOCUS) for number in range(20))),
    st.tuples(*(searches(FOCUS) for _ in range(30))),
    st.just(()),
)


@pytest.fixture(scope="module")
def collection(mongodb_client: MongoClient[Document]) -> Iterator[Collection[Document]]:
    """A collection with the indexes that a server creates."""
    database = mongodb_client["test_modified_searches"]
    database[RESOURCE].create_indexes(INDEXES[RESOURCE])
    yield database[RESOURCE]
    mongodb_client.drop_database("test_modified_searches")


def build_document(facts: Facts) -> Document:
    """The document of a resource as far as searches read it."""
    identity = f"{facts.resource_type}/{facts.resource_id}"
    return {"_id": identity, "ty": facts.resource_type, "lu": facts.last_updated, **build_fields(facts)}


def select(collection: Collection[Document], *parts: Clause) -> set[str]:
    """The ids of the resources that the filter selects."""
    return {row["_id"].partition("/")[2] for row in collection.find(build_filter(*parts), {"_id": 1})}


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(world=WORLDS)
def test_filter_of_modified_searches_selects_what_matches(collection: Collection[Document], world: World) -> None:
    found = [INDEXER.facts(resource) for resource in world.resources]
    documents = [build_document(facts) for facts in found]
    collection.delete_many({})
    collection.insert_many(documents)
    read = [parse_facts(document) for document in documents]
    for search in world.searches:
        expected = {facts.resource_id for facts in found if matches(search.clause, facts)}
        assert select(collection, search.clause) == expected, search.text
        assert {facts.resource_id for facts in read if matches(search.clause, facts)} == expected, search.text
        about = AboutPatient(("1", "2"))
        within = {facts.resource_id for facts in found if facts.resource_id in expected and matches(about, facts)}
        assert select(collection, search.clause, about) == within, search.text


def test_every_modifier_is_among_the_random_searches() -> None:
    known = (SPACE.parameters(name)[code] for name, codes in FOCUS.items() for code in codes)
    assert {name for parameter in known for name in modifiers_of(parameter)} == {
        "not", "in", "not-in", "below", "above", "of-type", "text", "missing", "exact", "contains", "identifier",
    }  # fmt: skip


@pytest.mark.parametrize(
    "clause",
    [
        Has("ValueSet", "url", (LinkPrefix("http://x/"),)),
        Has("DocumentReference", "contenttype", (TokenPrefix("urn:ietf:bcp:13", "text/xml;"),)),
    ],
)
def test_a_beginning_is_looked_up_in_an_index(collection: Collection[Document], clause: Clause) -> None:
    plan = str(collection.find(build_filter(clause)).explain()["queryPlanner"]["winningPlan"])
    assert "IXSCAN" in plan
    assert "COLLSCAN" not in plan
    assert '["", {})' not in plan, "the bounds are those of the beginning"
