"""Gathered properties: what is kept is what would be found anew, and no more is kept than said."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.json_text import Json
from fhir_dmp.search import index
from fhir_dmp.search.facts import Facts
from fhir_dmp.search.gathered import Gathered, Keepsake
from fhir_dmp.search.index import Indexer
from tests.strategies.search import SPACE, make_space, resources

SEASONED = Indexer(SPACE)
"""An indexer that sees the resources of every example, and keeps what they have in common."""
AUDIT = Indexer(make_space(["AuditEvent"]))
CODE = {"coding": [{"system": "http://loinc.org", "code": "4548-4"}]}


class Walks:
    """Counts how often a property is walked through."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, name: str, value: Json, gathered: Gathered) -> None:
        self.names.append(name)
        gathered.stems.add(str(value))


@given(st.lists(resources("1"), min_size=1, max_size=4))
def test_facts_do_not_depend_on_what_was_seen_before(rows: list[Any]) -> None:
    for row in rows:
        assert SEASONED.facts(row) == Indexer(SPACE).facts(row)


def test_facts_found_twice_are_the_same_though_others_were_gathered_between() -> None:
    indexer, observation = Indexer(SPACE), {"resourceType": "Observation", "id": "1", "code": CODE}
    first = indexer.facts(observation)
    other = {**observation, "subject": {"reference": "Patient/7"}, "category": [CODE]}
    assert indexer.facts(other) != first
    assert indexer.facts(observation) == first


ENTITIES: list[Any] = [
    {"what": {"reference": "Patient/7"}, "type": {"code": "1"}, "role": CODE["coding"][0]},
    {"what": {"identifier": {"value": "x"}}, "name": "nom", "detail": [{"type": "a", "valueString": "b"}]},
    {"reference": "Patient/8", "display": "Anne", "type": CODE["coding"][0]},
    {"code": "a", "system": "urn:a", "text": "un texte"},
    {},
]


def unordered(facts: Facts) -> Facts:
    """The same facts, sorted."""
    kinds: dict[str, Any] = {
        name: tuple(sorted(getattr(facts, name))) for name in ("tokens", "strings", "links", "dates")
    }
    marks = tuple(sorted(facts.security.marks))
    return facts._replace(**kinds, security=facts.security._replace(marks=marks))


@given(st.lists(st.sampled_from([*ENTITIES, "no object", None]), max_size=4))
def test_items_that_are_divided_have_what_they_have_undivided(rows: list[Any]) -> None:
    event = {"resourceType": "AuditEvent", "id": "1", "entity": rows}
    divided = AUDIT.facts(event)
    with patch.object(index, "_DIVIDED", frozenset()):
        assert unordered(divided) == unordered(AUDIT.facts(event))


def test_property_is_walked_once_however_often_it_recurs() -> None:
    walks = Walks()
    kept = Keepsake()
    assert kept.find("Observation", "code", CODE, walks) is kept.find("Observation", "code", {**CODE}, walks)
    assert walks.names == ["code"]


def test_same_value_of_another_property_or_type_is_another() -> None:
    walks = Walks()
    kept = Keepsake()
    found = kept.find("Observation", "code", CODE, walks)
    assert found is not kept.find("Observation", "category", CODE, walks)
    assert found is not kept.find("Condition", "code", CODE, walks)
    assert walks.names == ["code", "category", "code"]


@pytest.mark.parametrize("value", [{"text": "x" * 5000}, {"valueDecimal": 10**30}], ids=["long", "no JSON"])
def test_what_is_long_or_no_json_is_gathered_and_not_kept(value: Any) -> None:
    walks = Walks()
    kept = Keepsake()
    assert kept.find("Observation", "code", value, walks) == kept.find("Observation", "code", value, walks)
    assert walks.names == ["code", "code"]


def test_least_recent_properties_are_forgotten() -> None:
    walks = Walks()
    kept = Keepsake(most=2)
    for number in (1, 2, 3, 1, 4, 5, 6, 7, 2):
        kept.find("Observation", "code", {"text": str(number)}, walks)
    assert len(walks.names) == 8
