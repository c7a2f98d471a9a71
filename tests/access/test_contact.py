"""A contact represents nobody: whatever a patient writes makes no representative. At random, and mutated."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fhir_dmp.access import contact, write
from fhir_dmp.access.change import Change, Item
from fhir_dmp.access.contact import RELATION, ROLE, is_contact, may_represent
from fhir_dmp.access.write import decide_write
from tests.strategies.access import MATRIX, NOW, READING, coding, facts, inquiry, record

Json = Any
PATIENT = {"kind": "patient", "patient": "p"}
MOTHER = {"kind": "representative", "patient": "p", "reference": "RelatedPerson/mere"}
FHIR = "http://terminology.hl7.org/CodeSystem"
FR = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-contact-relationship"
CODINGS = [
    f"{ROLE}|ECON", f"{ROLE}|QUAL", f"{ROLE}|NOK", f"{ROLE}|GUARD", f"{ROLE}|AGNT", f"{ROLE}|CAREGIVER", f"{FR}|K",
    f"{FR}|GRD", f"{FR}|CUR", f"{FHIR}/v2-0131|C", f"{FHIR}/v2-0131|N", f"{FHIR}/v3-RoleClass|GUARD",
    f"{RELATION}|MTH", f"{RELATION}|WIFE", f"{FHIR}/v3-RoleCode|GUADLTM", "urn:own|ECON", "|ECON",
]  # fmt: skip
CONCEPTS = st.lists(st.sampled_from(CODINGS), max_size=3).map(
    lambda found: {"coding": [coding(text) for text in found]}
)
PEOPLE = st.fixed_dictionaries(
    {
        "relationship": st.lists(CONCEPTS, max_size=3),
        "patient": st.sampled_from([{"reference": "Patient/p"}, {"reference": "Patient/q"}, {"display": "p"}]),
    },
    optional={
        "active": st.booleans(),
        "period": st.sampled_from([{"end": "2020-01-01"}, {"start": "2020"}, {"end": "soon"}]),
    },
).map(lambda found: {"resourceType": "RelatedPerson", "id": "1", **found})
STORED = st.none() | PEOPLE
decide = decide_write


def _item(person: Json) -> Item | None:
    return Item(person, facts(person)) if person else None


def _may_write(who: Json, before: Json, after: Json) -> bool:
    asked = inquiry(who, "create" if before is None else "update" if after else "delete")
    change = Change(_item(after), _item(before))
    return decide(asked, record(is_child=True), MATRIX, change, READING).permitted


def _check(before: Json, after: Json) -> None:
    """The property: neither what stands there afterwards, nor what stood there, represented the patient."""
    for who in (PATIENT, MOTHER):
        if (before or after) and _may_write(who, before, after):
            assert not (after and may_represent(after, "p", NOW, READING))
            assert not (before and may_represent(before, "p", NOW, READING))


def _check_each(*pairs: tuple[Json, Json]) -> None:
    for before, after in pairs:
        _check(before, after)


def _person(*codes: str, **members: Json) -> Json:
    roles = [{"coding": [coding(text)]} for text in codes]
    patient = {"reference": "Patient/p"}
    return {"resourceType": "RelatedPerson", "id": "1", "patient": patient, "relationship": roles, **members}


GUARDIAN, CALLED = _person(f"{ROLE}|GUARD"), _person(f"{ROLE}|ECON", f"{RELATION}|MTH")
BOTH = _person(f"{ROLE}|ECON", f"{ROLE}|GUARD")


@given(STORED, STORED)
@example(None, GUARDIAN)
@example(GUARDIAN, CALLED)
@example(CALLED, BOTH)
def test_whoever_a_patient_writes_represents_nobody(before: Json, after: Json) -> None:
    _check(before, after)


def test_the_property_is_not_an_empty_one() -> None:
    assert may_represent(GUARDIAN, "p", NOW, READING)
    assert may_represent(_person(f"{RELATION}|MTH"), "p", NOW, READING), "a mother without a role, as before"
    assert _may_write(PATIENT, None, CALLED)
    assert _may_write(PATIENT, CALLED, _person(f"{ROLE}|QUAL"))
    assert _may_write(MOTHER, CALLED, None)


def _always(*_: Any) -> bool:
    return True


def _one_is_enough(person: Json) -> bool:
    return any(is_contact({"relationship": [row]}) for row in person.get("relationship", ()))


def _without_previous(inquired: Any, state: Any, matrix: Any, change: Change, reading: Any) -> Any:
    only = Change(change.new, None) if change.new else change
    return decide_write(inquired, state, matrix, only, reading)


THIS = sys.modules[__name__]
MUTANTS: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "every RelatedPerson is a contact to writes": (write, "is_contact", _always),
    "one role of a contact is enough to writes": (write, "is_contact", _one_is_enough),
    "what stood there before does not matter": (THIS, "decide", _without_previous),
    "no RelatedPerson is a contact to representation": (contact, "is_contact", lambda _: False),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_each_part_of_the_rule_is_needed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, what, instead = MUTANTS[name]
    monkeypatch.setattr(owner, what, instead)
    with pytest.raises(AssertionError):
        _check_each((None, GUARDIAN), (GUARDIAN, CALLED), (CALLED, BOTH), (None, CALLED), (None, BOTH))


@given(PEOPLE)
def test_who_is_deleted_inactive_past_or_anothers_represents_nobody(person: Json) -> None:
    assert not may_represent(None, "p", NOW, READING)
    assert not may_represent({**person, "active": False}, "p", NOW, READING)
    assert not may_represent({**person, "period": {"end": "2020-01-01"}}, "p", NOW, READING)
    assert not may_represent({**person, "patient": {"reference": "Patient/q"}}, "p", NOW, READING)
    assert not (is_contact(person) and may_represent(person, "p", NOW, READING))
