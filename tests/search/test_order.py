"""The order of results."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.search.index import Indexer
from fhir_dmp.search.order import compare, in_order, sort_keys
from fhir_dmp.search.parse import parse_search
from fhir_dmp.search.query import Handling, Sort
from tests.strategies.search import NOW, make_space, resources

SPACE = make_space(("Patient", "Observation"))
INDEXER = Indexer(SPACE)

PEOPLE = [
    {"id": "1", "name": [{"family": "Zola", "given": ["Émile"]}], "birthDate": "1840-04-02", "gender": "male"},
    {"id": "2", "name": [{"family": "d'Étampes"}, {"family": "Abadie"}], "birthDate": "1990"},
    {"id": "3"},
    {
        "id": "4",
        "name": [{"family": "sand", "given": ["George", "Aurore"]}],
        "birthDate": "1804-07",
        "gender": "female",
    },
    {"id": "5", "name": [{"family": "Öztürk"}], "gender": "male"},
]


def order_of(people: list[Any], written: str) -> list[str]:
    """The ids in the order that a `_sort` asks for."""
    query = parse_search("Patient", [("_sort", written)], space=SPACE, handling=Handling.STRICT, now=NOW)
    found = [INDEXER.facts({"resourceType": "Patient", **person}) for person in people]
    return [facts.resource_id for facts in in_order(found, query.sort)]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", "12345"),
        ("_id", "12345"),
        ("-_id", "54321"),
        ("family", "32541"),
        ("-family", "14523"),
        ("given", "23541"),
        ("-given", "41532"),
        ("birthdate", "35412"),
        ("-birthdate", "21453"),
        ("gender", "23415"),
        ("-gender,family", "51432"),
        ("gender,-birthdate", "23415"),
        ("gender,birthdate", "32451"),
    ],
)
def test_results_stand_in_the_order_asked_for(written: str, expected: str) -> None:
    assert "".join(order_of(PEOPLE, written)) == expected
    assert "".join(order_of(PEOPLE[::-1], written)) == expected


def test_of_several_values_the_one_that_comes_first_counts() -> None:
    facts = INDEXER.facts(
        {"resourceType": "Patient", "id": "1", "name": [{"family": "B"}, {"family": "a"}, {"family": "c"}]}
    )
    assert sort_keys(facts, (Sort("family", "string"),)) == ("a", "Patient/1")
    assert sort_keys(facts, (Sort("family", "string", descending=True),)) == ("c", "Patient/1")


@given(st.lists(resources("1", ("Patient", "Observation")), min_size=3, max_size=3), st.booleans())
def test_the_order_is_total(batch: list[Any], descending: bool) -> None:
    rules = (Sort("_lastUpdated", "last-updated", descending), Sort("_tag", "token", descending))
    one, two, three = (
        sort_keys(INDEXER.facts({**resource, "id": str(number)}), rules) for number, resource in enumerate(batch)
    )
    assert compare(one, two, rules) == -compare(two, one, rules) != 0
    if compare(one, two, rules) < 0 and compare(two, three, rules) < 0:
        assert compare(one, three, rules) < 0
