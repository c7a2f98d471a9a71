"""The whole of a validation: order of passes, limits, what a caller gives, and any JSON at all."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_dmp.conformance.finding import LIMIT
from fhir_dmp.conformance.profiles import Profiles
from fhir_dmp.conformance.validate import Report, validate_profiles, validate_resource
from fhir_dmp.conformance.visit import Deferred, Environment
from fhir_dmp.loader import load_registry
from fhir_dmp.terminology.terminology import Terminology
from fhir_dmp.validation.compiler import Schemas

if TYPE_CHECKING:
    from collections.abc import Callable

BASE = "http://hl7.org/fhir/StructureDefinition/"
SCHEMAS = Schemas(load_registry())
BARE = Profiles(lambda _: None, Terminology(lambda _: None), load_registry())

DOCTOR = "http://example.org/doctor"
DEFINITIONS: list[dict[str, Any]] = [
    {
        "resourceType": "StructureDefinition",
        "url": "http://example.org/now",
        "type": "Patient",
        "kind": "resource",
        "derivation": "constraint",
        "baseDefinition": f"{BASE}Patient",
        "differential": {
            "element": [
                {
                    "id": "Patient",
                    "path": "Patient",
                    "constraint": [
                        {"key": "now-1", "severity": "error", "human": "born", "expression": "birthDate <= today()"}
                    ],
                },
                {
                    "id": "Patient.generalPractitioner",
                    "path": "Patient.generalPractitioner",
                    "type": [{"code": "Reference", "targetProfile": [DOCTOR]}],
                },
            ]
        },
    },
    {
        "resourceType": "StructureDefinition",
        "url": DOCTOR,
        "type": "Practitioner",
        "kind": "resource",
        "derivation": "constraint",
        "baseDefinition": f"{BASE}Practitioner",
        "differential": {"element": [{"id": "Practitioner.name", "path": "Practitioner.name", "min": 1}]},
    },
]
PATIENT = {
    "resourceType": "Patient",
    "birthDate": "2026-05-05",
    "generalPractitioner": [{"reference": "Practitioner/1"}],
}


def test_structure_comes_first_and_alone() -> None:
    report = validate_resource({"resourceType": "Patient", "gender": 1, "unknown": 1}, SCHEMAS, BARE)
    assert {issue.code for issue in report.issues} == {"structure-type", "structure-unknown-property"}
    assert not report.is_valid


def test_now_is_what_the_caller_says(make_profiles: Callable[..., Profiles]) -> None:
    profiles = make_profiles(DEFINITIONS)
    for year, is_valid in ((2025, False), (2027, True)):
        environment = Environment(now=datetime(year, 1, 1, tzinfo=UTC))
        report = validate_profiles(PATIENT, ["http://example.org/now"], profiles, environment)
        assert report.is_valid == is_valid


def test_target_is_checked_where_the_caller_has_it(make_profiles: Callable[..., Profiles]) -> None:
    profiles = make_profiles(DEFINITIONS)
    doctors = {"Practitioner/1": {"resourceType": "Practitioner", "id": "1", "name": [{"text": "x"}]}}
    now = datetime(2027, 1, 1, tzinfo=UTC)
    claim = ["http://example.org/now"]
    assert validate_profiles(PATIENT, claim, profiles, Environment(now, doctors.get)) == Report(())
    nameless = {"Practitioner/1": {"resourceType": "Practitioner", "id": "1", "active": True}}
    issues = validate_profiles(PATIENT, claim, profiles, Environment(now, nameless.get)).issues
    assert [(issue.code, issue.expression) for issue in issues] == [
        ("reference-profile", "Patient.generalPractitioner[0]")
    ]
    deferred = validate_profiles(PATIENT, claim, profiles, Environment(now)).deferred
    assert deferred == (Deferred("Practitioner/1", (DOCTOR,)),)


def test_findings_are_limited() -> None:
    contacts = [{"gender": "male"}] * (LIMIT * 5)
    issues = validate_resource({"resourceType": "Patient", "contact": contacts}, SCHEMAS, BARE).issues
    assert LIMIT <= len(issues) <= LIMIT + 1
    errors = [issue for issue in issues if issue.code == "invariant" and issue.severity == "error"]
    assert errors[0].expression == "Patient.contact[0]"


def test_remarks_are_made_once_for_each_subject() -> None:
    names = [{"text": "x", "extension": [{"url": "http://example.org/unknown", "valueCode": "x"}]}] * 1000
    issues = validate_resource({"resourceType": "Patient", "name": names}, SCHEMAS, BARE).issues
    assert [issue.expression for issue in issues if issue.code == "extension-unknown"] == [
        "Patient.name[0].extension[0]"
    ]


def test_nothing_is_said_to_be_checked_without_terminology() -> None:
    issues = validate_resource({"resourceType": "Patient", "gender": "male"}, SCHEMAS, BARE).issues
    assert ("information", "not-checked", "Patient.gender") in {
        (issue.severity, issue.code, issue.expression) for issue in issues
    }


def test_validation_changes_nothing(make_profiles: Callable[..., Profiles]) -> None:
    resource = copy.deepcopy(PATIENT)
    validate_resource(resource, SCHEMAS, make_profiles(DEFINITIONS), ["http://example.org/now"])
    assert resource == PATIENT


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**31), 2**31)
    | st.text(max_size=8)
    | st.sampled_from(["Patient", "#a", "http://x.org"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["resourceType", "id", "meta", "profile", "extension", "url", "contained", "name", "entry"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
@settings(max_examples=300, deadline=None)
def test_no_json_raises(value: object) -> None:
    report = validate_resource(value, SCHEMAS, BARE)
    assert all(issue.code and issue.message for issue in report.issues)


@given(JSON)
@settings(max_examples=200, deadline=None)
def test_no_patient_raises(value: object) -> None:
    resource = {"resourceType": "Patient", "contained": [{"resourceType": "Basic", "id": "a"}], "extension": value}
    validate_resource(resource, SCHEMAS, BARE)
