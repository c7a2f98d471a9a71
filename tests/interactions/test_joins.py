"""Joins, resolved hop by hop on a real mongod, select what they mean among what is visible, and that alone.

FHIR_DMP_TEST_EXAMPLES scales the number of random worlds (default 40); each is asked 25 searches.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from fhir_dmp.access.requester import OPEN
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.interactions import joins
from fhir_dmp.interactions.joins import resolve_joins
from fhir_dmp.interactions.request import Request
from fhir_dmp.outcome import Category, FhirError
from fhir_dmp.search.facts import Facts
from fhir_dmp.search.joined import is_true
from fhir_dmp.search.match import matches
from fhir_dmp.search.query import AboutPatient, And, Chained, Clause, Hop, OfType, Referred, SearchQuery, has_joins
from fhir_dmp.store.mongo.facts import build_fields
from tests.access_http.sides import Side, open_sides
from tests.strategies.joins import asked, resources, restrictions

Json = Any

WORLDS = int(os.environ.get("FHIR_DMP_TEST_EXAMPLES", "40"))
SEARCHES = 25
tried = settings(max_examples=WORLDS, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
async def side(
    mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Side]:
    async with open_sides(mongodb_uri, mongodb_client, tmp_path_factory.mktemp("joins"), 1) as (opened,):
        yield opened


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> list[Clause]:
    """What the gate says on every hop; its decisions have tests of their own."""
    said: list[Clause] = []

    async def open_gate(*_: Any, **__: Any) -> Restriction:
        return Restriction(said[-1])

    monkeypatch.setattr(joins, "open_gate", open_gate)
    return said


def store(side: Side, rows: Sequence[Json]) -> list[Facts]:
    """Replaces what is in the database, as far as searches read it."""
    found = [side.context.indexer.facts(row) for row in rows]
    side.database.resource.delete_many({})
    documents = [
        {"_id": f"{facts.resource_type}/{facts.resource_id}", "ty": facts.resource_type, **build_fields(facts)}
        for facts in found
    ]
    if documents:
        side.database.resource.insert_many(documents)
    return found


async def select(side: Side, resource_type: str, clause: Clause, restriction: Clause) -> set[str]:
    """The ids that the server finds."""
    query = await resolve_joins(side.context, Request(OPEN, resource_type), SearchQuery((resource_type,), clause))
    assert not has_joins(query.clause)
    return set(await side.context.reader.find_ids(query.clause, Restriction(restriction), None, 1000))


@tried
@given(rows=resources(), restriction=restrictions(), searches=st.lists(asked(), min_size=SEARCHES, max_size=SEARCHES))
async def test_joins_select_what_they_mean_among_what_is_visible(
    rows: list[Json], restriction: Clause, searches: list[tuple[str, Clause]], side: Side, hidden: list[Clause]
) -> None:
    hidden.append(restriction)
    visible = [facts for facts in store(side, rows) if matches(restriction, facts)]
    world = {f"{facts.resource_type}/{facts.resource_id}": facts for facts in visible}
    for resource_type, clause in searches:
        expected = {facts.resource_id for facts in visible if is_true(clause, facts, world)}
        assert await select(side, resource_type, clause, restriction) == expected, clause


TO_PATIENT = Hop("Observation", "subject", "Patient")
TO_SOURCE = Hop("Observation", "derived-from", "Observation")


def _observations(count: int) -> list[Json]:
    rows: list[Json] = [{"resourceType": "Patient", "id": "1"}]
    for number in range(count):
        about = {"reference": "Patient/1"}
        source = [{"reference": f"Observation/{number + 1}"}]
        rows.append({"resourceType": "Observation", "id": str(number), "subject": about, "derivedFrom": source})
    return rows


async def test_a_hop_over_too_many_resources_is_refused_by_what_is_visible_alone(
    side: Side, hidden: list[Clause], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joins, "MOST", 10)
    store(side, _observations(20))
    asked_for = And((OfType(("Observation",)), Chained(TO_SOURCE, OfType(("Observation",)))))
    hidden.append(And(()))
    with pytest.raises(FhirError) as refusal:
        await select(side, "Observation", asked_for, And(()))
    assert refusal.value.category is Category.TOO_COSTLY
    assert "more than 10 resources" in refusal.value.issues[0].message
    hidden.append(AboutPatient(("2",)))
    assert await select(side, "Observation", asked_for, AboutPatient(("2",))) == set()


async def test_what_is_confined_to_a_patient_is_followed_from_there(
    side: Side, hidden: list[Clause], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere there may be any number of resources that match at the far end."""
    monkeypatch.setattr(joins, "MOST", 10)
    others = [{"resourceType": "Patient", "id": f"other{number}"} for number in range(20)]
    store(side, [*_observations(3), *others])
    hidden.append(And(()))
    everyone = Chained(TO_PATIENT, OfType(("Patient",)))
    with pytest.raises(FhirError):
        await select(side, "Observation", And((OfType(("Observation",)), everyone)), And(()))
    own = And((OfType(("Observation",)), AboutPatient(("1",)), everyone))
    assert await select(side, "Observation", own, And(())) == {"0", "1", "2"}


async def test_where_even_the_near_end_is_wide_the_far_end_decides(
    side: Side, hidden: list[Clause], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joins, "MOST", 10)
    store(side, _observations(20))
    hidden.append(And(()))
    own = And((OfType(("Observation",)), AboutPatient(("1",)), Referred(TO_SOURCE, AboutPatient(("none",)))))
    assert await select(side, "Observation", own, And(())) == set()
