"""Facts of contained resources: whose they are, and the parameters of the container that lead to each."""

from __future__ import annotations

import pytest

from fhir_dmp.json_text import JsonObject
from fhir_dmp.search.facts import ContainedFact, Security
from fhir_dmp.search.index import Indexer
from tests.strategies.search import make_space

INDEXER = Indexer(make_space(("Observation", "Patient", "Practitioner", "Location")))
UPDATED = "2024-05-01T10:00:00Z"


def contained(*held: JsonObject, **members: object) -> tuple[ContainedFact, ...]:
    """The facts of what an Observation contains."""
    resource = {"resourceType": "Observation", "id": "o", "meta": {"lastUpdated": UPDATED}, **members}
    return INDEXER.facts({**resource, "contained": list(held)}).contained


def refer(name: str) -> JsonObject:
    return {"reference": name}


PATIENT = {"resourceType": "Patient", "id": "p", "gender": "male", "meta": {"security": [{"code": "R"}]}}


def test_they_are_those_of_nobody_else() -> None:
    (found,) = contained(PATIENT)
    facts = found.facts
    assert (facts.resource_type, facts.resource_id, facts.patient) == ("Patient", "#p", None)
    assert (facts.security, facts.form, facts.contained) == (Security(), "", ())
    assert (
        facts.last_updated
        == INDEXER.facts({"resourceType": "Observation", "meta": {"lastUpdated": UPDATED}}).last_updated
    )


@pytest.mark.parametrize(
    ("members", "ways"),
    [
        ({}, ()),
        ({"subject": refer("#p")}, ("patient", "subject")),
        ({"subject": refer("#q")}, ()),
        ({"subject": refer("Patient/p")}, ()),
        ({"performer": [refer("Practitioner/1"), refer("#p")]}, ("performer",)),
        ({"focus": [refer("#p")], "subject": {"display": "x"}}, ("focus",)),
        ({"specimen": refer("#p")}, ()),
        ({"subject": "#p", "performer": refer("#p")}, ()),
    ],
)
def test_ways_are_the_parameters_that_lead_to_it_and_may(members: JsonObject, ways: tuple[str, ...]) -> None:
    (found,) = contained(PATIENT, **members)
    assert tuple(sorted(found.ways)) == ways


@pytest.mark.parametrize(("name", "seen"), [("#p", {"patient", "subject"}), ("#q", {"subject"})])
def test_a_reference_to_a_contained_patient_is_a_value_of_patient(name: str, seen: set[str]) -> None:
    """`patient` is `subject.where(resolve() is Patient)`, and resolve() finds what is contained, too."""
    row = {"resourceType": "Observation", "id": "o", "subject": refer(name), "contained": [PATIENT]}
    assert {link.parameter for link in INDEXER.facts(row).links} == {f"{code}:missing" for code in seen}


def test_a_place_that_is_contained_has_no_point() -> None:
    (found,) = contained({"resourceType": "Location", "id": "l", "position": {"latitude": 48, "longitude": 2}})
    assert found.facts.points == ()


def test_a_resource_without_contained_ones_is_indexed_as_before() -> None:
    resource = {"resourceType": "Observation", "id": "o", "status": "final", "subject": refer("#p")}
    assert INDEXER.facts({**resource, "contained": []}) == INDEXER.facts(resource)
