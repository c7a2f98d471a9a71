"""SMART scopes narrow, never widen. https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html."""

from __future__ import annotations

import pytest

from fhir_dmp.access.closure import Closure
from fhir_dmp.access.inquiry import PUBLIC, Inquiry
from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.access.scopes import LETTERS, parse_scopes, scope_clause
from fhir_dmp.outcome import Category, FhirError
from fhir_dmp.search.match import matches
from tests.strategies.access import NOW, concept, facts, reference, search_clause

OBSERVATION = facts(
    {
        "resourceType": "Observation",
        "id": "1",
        "subject": reference("Patient/p"),
        "category": [concept("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory")],
    }
)
OTHER = facts({"resourceType": "Observation", "id": "2", "subject": reference("Patient/q")})
ORGANIZATION = facts({"resourceType": "Organization", "id": "o"})
ITEMS = {"mine": OBSERVATION, "other": OTHER, "public": ORGANIZATION}
CATEGORY = "category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"


@pytest.mark.parametrize(
    ("scopes", "interaction", "seen"),
    [
        ("user/*.rs", "read", "mine other public"),
        ("user/*.rs", "search-type", "mine other public"),
        ("user/*.r", "search-type", ""),
        ("user/*.s", "read", ""),
        ("user/*.s", "history-type", "mine other public"),
        ("user/*.rs", "create", ""),
        ("user/*.cud", "update", "mine other public"),
        ("user/*.cud", "read", ""),
        ("user/Observation.rs", "read", "mine other"),
        ("user/Observation.rs user/Organization.r", "read", "mine other public"),
        ("patient/*.rs", "read", "mine public"),
        ("patient/Observation.rs", "read", "mine"),
        ("system/Observation.rs", "read", "mine other"),
        ("user/Observation.read", "search-type", "mine other"),
        ("user/*.write", "delete", "mine other public"),
        ("user/*.write", "read", ""),
        ("user/*.*", "patch", "mine other public"),
        ("user/*.sr", "read", ""),
        ("user/*.", "read", ""),
        ("openid fhirUser launch/patient offline_access", "read", ""),
        ("USER/*.rs", "read", ""),
        ("user/*.rs", "export", ""),
        (f"user/Observation.rs?{CATEGORY}", "read", "mine"),
        (f"user/Observation.rs?{CATEGORY} patient/Organization.rs", "read", "mine public"),
        (f"user/Observation.rs?{CATEGORY}&_id=1", "read", "mine"),
        (f"user/Observation.rs?{CATEGORY}&{CATEGORY}", "read", "mine"),
        (f"user/Observation.rs?{CATEGORY}&_id=2", "read", ""),
        ("user/Observation.rs?_id=1,2", "read", "mine other"),
        ("", "read", ""),
    ],
)
def test_what_scopes_leave(scopes: str, interaction: str, seen: str) -> None:
    clause = scope_clause(parse_scopes(scopes.split(), search_clause), interaction, "p", PUBLIC)
    assert " ".join(name for name, item in ITEMS.items() if matches(clause, item)) == seen


def test_a_patient_scope_without_a_patient_reaches_no_record() -> None:
    clause = scope_clause(parse_scopes(["patient/*.rs"], search_clause), "read", "", PUBLIC)
    assert [name for name, item in ITEMS.items() if matches(clause, item)] == ["public"]


def test_patient_scope_of_a_professional_reaches_the_patient_his_app_was_launched_for() -> None:
    doctor = Requester(Kind.PRACTITIONER, "doctor", launch_patient="p")
    inquiry = Inquiry(doctor, Closure(), parse_scopes(["patient/*.rs"], search_clause), "read", NOW)
    assert [name for name, item in ITEMS.items() if matches(inquiry.scope, item)] == ["mine", "public"]


@pytest.mark.parametrize(
    "scope",
    [
        "user/Observation.rs?code:not=1",
        "user/Observation.rs?subject.name=x",
        "user/Observation.rs?_filter=a",
        "user/*.rs?_id=1",
        "user/Observation.rs?&",
        "user/Observation.rs?",
        "user/*.rs?",
        f"user/Observation.rs?{CATEGORY}&_count=1",
        f"user/Observation.rs?{CATEGORY}&_contained=true",
        f"user/Observation.rs?date=2020&{CATEGORY}&_summary=count",
        "user/Observation.rs?code=",
        "user/Observation.rs?code=,",
        f"user/Observation.rs?{CATEGORY}&code=",
        "user/Observation.rs?_elements=id",
        "user/Observation.rs?_summary=count",
        "user/Observation.rs?_count=1",
        "user/Observation.rs?_sort=date",
        "user/Observation.rs?_include=Observation:subject",
        "user/Observation.rs?_contained=true",
        "user/Observation.rs?colour=red",
        "user/Observation.rs?date=yesterday",
    ],
)
def test_what_cannot_be_enforced_is_refused(scope: str) -> None:
    with pytest.raises(FhirError) as fault:
        parse_scopes([scope], search_clause)
    assert (fault.value.category, fault.value.issues[0].code) == (Category.FORBIDDEN, "scope-not-enforceable")


def test_every_interaction_needs_one_letter() -> None:
    assert set("".join(LETTERS.values())) == set("cruds")
