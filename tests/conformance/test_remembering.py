"""What was right before is not looked at again: unless something beyond the value decides, which may be other now."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fhir_dmp.conformance.finding import RIGHT, Code, Findings, one
from fhir_dmp.conformance.validate import Report, validate_resource
from fhir_dmp.conformance.visit import Environment, Run, Visit
from tests.conformance.hostile import OURS, element, profile

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_dmp.conformance.profiles import Profiles
    from fhir_dmp.validation.compiler import Schemas

FOLDER = Path(__file__).parent / "cases"
FILES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
CLAIM = f"{OURS}p"


def constraint(expression: str) -> dict[str, str]:
    return {"key": "r-1", "severity": "error", "human": "h", "expression": expression}


PROFILES = {
    "the resource": element("Patient.contact", constraint=[constraint("%resource.active = true")]),
    "the time": element("Patient.contact", constraint=[constraint("period.end > today()")]),
    "a target": element("Patient.contact", constraint=[constraint("organization.resolve().active")]),
    "a slice": element("Patient.contact", min=1),
}
CONTACT = {
    "name": {"text": "x"},
    "period": {"end": "2026-06-01"},
    "organization": {"reference": "Organization/1"},
}
PATIENT = {"resourceType": "Patient", "active": True, "contact": [CONTACT]}


def _organization(active: bool) -> Callable[[str], dict[str, Any] | None]:
    found = {"Organization/1": {"resourceType": "Organization", "id": "1", "active": active, "name": "x"}}
    return found.get


OPEN, SHUT = (Environment(datetime(2026, 1, 1, tzinfo=UTC), _organization(active)) for active in (True, False))
LATER = Environment(datetime(2027, 1, 1, tzinfo=UTC), _organization(active=True))


@pytest.mark.parametrize(
    ("what", "other", "around"),
    [
        ("the resource", {**PATIENT, "active": False}, OPEN),
        ("the time", PATIENT, LATER),
        ("a target", PATIENT, SHUT),
        ("a slice", {"resourceType": "Patient"}, OPEN),
    ],
)
def test_value_that_was_right_is_wrong_where_its_surroundings_are_others(
    what: str, other: dict[str, Any], around: Environment, schemas: Schemas, make_profiles: Callable[..., Profiles]
) -> None:
    profiles = make_profiles([profile("p", "Patient", PROFILES[what])])
    for _ in range(2):
        assert validate_resource(PATIENT, schemas, profiles, [CLAIM], OPEN).is_valid
        assert not validate_resource(other, schemas, profiles, [CLAIM], around).is_valid


def test_value_that_is_alone_is_judged_anew_in_a_bundle(
    schemas: Schemas, make_profiles: Callable[..., Profiles]
) -> None:
    profiles = make_profiles([])
    encounter = {
        "resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"},
        "participant": [{"individual": {"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"}}],
    }  # fmt: skip
    entry = {
        "fullUrl": "urn:uuid:3d7a6a5e-1f0a-4a3f-9a39-0d8f4f8c7d10",
        "resource": encounter,
        "request": {"method": "POST", "url": "Encounter"},
    }
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    assert validate_resource(encounter, schemas, profiles).is_valid
    assert not validate_resource(bundle, schemas, profiles).is_valid
    assert validate_resource(encounter, schemas, profiles).is_valid


def test_what_was_not_checked_is_said_each_time(schemas: Schemas, make_profiles: Callable[..., Profiles]) -> None:
    binding = {"strength": "required", "valueSet": "http://example.org/unknown"}
    both = [element(f"Patient.{name}", binding=binding) for name in ("maritalStatus", "contact.relationship")]
    profiles = make_profiles([profile("p", "Patient", *both)])
    concept = {"coding": [{"system": "http://example.org/s", "code": "x"}]}
    row = {"resourceType": "Patient", "maritalStatus": concept, "contact": [{"relationship": [concept]}]}
    for resource in (row, row, {"resourceType": "Patient", "contact": [{"relationship": [concept]}]}):
        issues = validate_resource(resource, schemas, profiles, [CLAIM]).issues
        assert [issue.code for issue in issues if "unknown" in issue.message] == ["not-checked"]


@pytest.mark.parametrize("stem", FILES)
def test_findings_do_not_depend_on_what_was_validated_before(
    stem: str, schemas: Schemas, make_profiles: Callable[..., Profiles]
) -> None:
    file = FILES[stem]
    seasoned = make_profiles(file["definitions"])

    def validate(case: dict[str, Any], profiles: Profiles) -> Report:
        return validate_resource(case["resource"], schemas, profiles, case.get("profiles", file["profiles"]))

    before = [validate(case, seasoned) for case in file["cases"]]
    after = [validate(case, seasoned) for case in reversed(file["cases"])]
    assert list(reversed(after)) == before
    fresh = file["cases"][-1]
    assert validate(fresh, make_profiles(file["definitions"])) == before[-1]


def test_rule_is_asked_once_of_a_value_that_it_finds_right_by_itself() -> None:
    run, asked = Run(Environment()), []

    def ask() -> Findings:
        asked.append(1)
        return RIGHT

    for value in ({"text": "x"}, {"text": "x"}, {"text": "y"}, {"text": "x"}):
        assert not run.remember("rule", value, ask)
    assert not run.remember("other", {"text": "x"}, ask)
    assert len(asked) == 3


def test_rule_that_looks_around_or_finds_fault_is_asked_again() -> None:
    run, value, asked = Run(Environment()), {"text": "x"}, []
    visit = Visit(run, {"resourceType": "Patient"})

    def look() -> Findings:
        asked.append(visit.scope)
        return RIGHT

    for _ in range(3):
        run.remember("looks", value, look)
        assert run.remember("fault", value, lambda: one("error", Code.INVARIANT, "wrong"))
    assert len(asked) == 3
