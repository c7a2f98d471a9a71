"""record/deciding: as what someone decides about a record."""

from __future__ import annotations

import pytest

from fhir_dmp.access.closure import Closure
from fhir_dmp.access.directive import Directive, Provision
from fhir_dmp.access.record import RecordState
from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.record.deciding import LABELLINGS, Role, may_label, role_in
from fhir_dmp.search.sensitivity import MASKED

NOW = 1_767_225_600_000
OWN, STRUCTURE = "Practitioner/own", "Organization/house"
CLOSURE = Closure(frozenset({OWN}), frozenset({STRUCTURE}))
OPEN = RecordState("1", majority=NOW)


def _blocking(text: str) -> RecordState:
    return RecordState("1", directives=(Directive("c", None, Provision("deny", actors=frozenset({text}))),))


PROFESSIONAL = Requester(Kind.PRACTITIONER, "p")
CASES: dict[str, tuple[Requester, RecordState, Role | None]] = {
    "the patient": (Requester(Kind.PATIENT, "p", patient_id="1"), OPEN, Role.HOLDER),
    "another patient": (Requester(Kind.PATIENT, "p", patient_id="2"), OPEN, None),
    "who represents an adult": (Requester(Kind.REPRESENTATIVE, "p", patient_id="1"), OPEN, None),
    "who represents a minor": (
        Requester(Kind.REPRESENTATIVE, "p", patient_id="1"), RecordState("1", majority=NOW + 1), Role.HOLDER,
    ),
    "another's representative": (
        Requester(Kind.REPRESENTATIVE, "p", patient_id="2"), RecordState("1", majority=NOW + 1), None,
    ),
    "a professional": (PROFESSIONAL, OPEN, Role.COLLECTING),
    "the médecin traitant": (PROFESSIONAL, RecordState("1", attending=frozenset({OWN})), Role.ATTENDING),
    "an administrator": (PROFESSIONAL, RecordState("1", administrators=frozenset({OWN})), Role.ATTENDING),
    "a professional of a closed record": (PROFESSIONAL, RecordState("1", closes=NOW), None),
    "a professional of a record that cannot be read": (PROFESSIONAL, RecordState("1", uninterpretable=("c",)), None),
    "a professional who is blocked": (PROFESSIONAL, _blocking(OWN), None),
    "a professional whose structure is blocked": (PROFESSIONAL, _blocking(STRUCTURE), None),
    "the fund": (Requester(Kind.ADMINISTRATOR, "f"), OPEN, Role.FUND),
    **{
        f"a requester of kind {kind.value}": (Requester(kind, "x", patient_id="1"), OPEN, None)
        for kind in (Kind.HELPER, Kind.HOSPITAL, Kind.AUDITOR, Kind.EXCLUDED)
    },
}  # fmt: skip


@pytest.mark.parametrize(("requester", "state", "role"), CASES.values(), ids=CASES.keys())
def test_each_decides_as_what_he_is(requester: Requester, state: RecordState, role: Role | None) -> None:
    assert role_in(requester, CLOSURE, state, NOW) is role


def test_the_medecin_traitant_masks_as_he_was_asked_to_and_announces() -> None:
    allowed = {row.code for row in LABELLINGS if may_label(Role.ATTENDING, row, has_consent=False)}
    assert allowed == {"announce"}
    asked = {row.code for row in LABELLINGS if may_label(Role.ATTENDING, row, has_consent=True)}
    assert asked == {"announce", *(row.code for row in LABELLINGS if row.label == MASKED)}
    for role in (None, Role.HOLDER, Role.COLLECTING, Role.FUND):
        assert not any(may_label(role, row, has_consent=True) for row in LABELLINGS)
