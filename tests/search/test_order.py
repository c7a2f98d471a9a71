"""The order of results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.search.index import Indexer
from fhir_dmp.search.order import compare, in_order, sort_keys
from fhir_dmp.search.parse import parse_search
from fhir_dmp.search.query import Handling, Sort
from tests.strategies.search import NOW, SPACE, resources

INDEXER = Indexer(SPACE)

TABLE = json.loads((Path(__file__).parent / "cases" / "order.json").read_text(encoding="utf8"))


def order_of(people: list[Any], written: str) -> list[str]:
    """The ids in the order that a `_sort` asks for."""
    query = parse_search("Patient", [("_sort", written)], space=SPACE, handling=Handling.STRICT, now=NOW)
    found = [INDEXER.facts({"resourceType": "Patient", **person}) for person in people]
    return [facts.resource_id for facts in in_order(found, query.sort)]


@pytest.mark.parametrize(("written", "expected"), TABLE["orders"].items())
def test_results_stand_in_the_order_asked_for(written: str, expected: str) -> None:
    people = TABLE["resources"]
    assert "".join(order_of(people, written)) == expected
    assert "".join(order_of(people[::-1], written)) == expected


def test_of_several_values_the_one_that_comes_first_counts() -> None:
    facts = INDEXER.facts(
        {"resourceType": "Patient", "id": "1", "name": [{"family": "B"}, {"family": "a"}, {"family": "c"}]}
    )
    assert sort_keys(facts, (Sort("family", "string"),)) == ("a", "Patient/1")
    assert sort_keys(facts, (Sort("family", "string", descending=True),)) == ("c", "Patient/1")


@given(st.lists(resources("1"), min_size=3, max_size=3), st.booleans())
def test_the_order_is_total(batch: list[Any], descending: bool) -> None:
    rules = (Sort("_lastUpdated", "last-updated", descending), Sort("_tag", "token", descending))
    one, two, three = (
        sort_keys(INDEXER.facts({**resource, "id": str(number)}), rules) for number, resource in enumerate(batch)
    )
    assert compare(one, two, rules) == -compare(two, one, rules) != 0
    if compare(one, two, rules) < 0 and compare(two, three, rules) < 0:
        assert compare(one, three, rules) < 0
