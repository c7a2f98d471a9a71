"""What a reimbursement has to say to get into a record, and when two are one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.access.change import Item
from fhir_dmp.access.reimbursement import leaves_at
from fhir_dmp.record.document_type import OWN_TYPE, class_of
from fhir_dmp.record.patient_deposit import PATIENTS, find_foreign_types
from fhir_dmp.record.reimbursement import find_reimbursement_faults, is_same_reimbursement, names_of
from fhir_dmp.search.sensitivity import LOINC
from tests.strategies.access import NOW, facts

Json = Any
DAY = 24 * 3_600_000


def _day(at: int) -> str:
    return str(datetime.fromtimestamp(at / 1000, UTC).date())


def _benefit(**members: Json) -> Item:
    made = {"resourceType": "ExplanationOfBenefit", "id": "1", "identifier": [{"system": "s", "value": "1"}], **members}
    return Item(made, facts(made))


@given(st.integers(-1000, 200))
def test_care_is_taken_from_the_24_months_and_no_other(days: int) -> None:
    item = _benefit(billablePeriod={"start": _day(NOW + days * DAY), "end": _day(NOW + days * DAY)})
    span = item.facts.security.span
    assert span is not None
    found = [issue.code for issue in find_reimbursement_faults(item, NOW)]
    expected = "date-future" if span[1] > NOW + DAY else "reimbursement-past" if leaves_at(span[1]) <= NOW else ""
    assert found == ([expected] if expected else [])


@pytest.mark.parametrize("identifier", [[], [{"value": "1"}], [{"system": "s"}]])
def test_a_reimbursement_has_a_name_and_a_date(identifier: Json) -> None:
    found = find_reimbursement_faults(_benefit(identifier=identifier), NOW)
    assert [(issue.code, issue.expression) for issue in found] == [
        ("reimbursement-unnamed", "ExplanationOfBenefit.identifier"),
        ("reimbursement-undated", "ExplanationOfBenefit.billablePeriod"),
    ]
    listing = {"resourceType": "DocumentReference", "id": "1", "type": {"coding": [{"code": "REMB"}]}}
    assert [issue.expression for issue in find_reimbursement_faults(Item(listing, facts(listing)), NOW)] == [
        "DocumentReference.masterIdentifier",
        "DocumentReference.date",
    ]


MEMBERS = st.dictionaries(st.sampled_from(["id", "meta", "text", "status", "outcome"]), st.integers(0, 2))


@given(MEMBERS, MEMBERS)
def test_two_are_one_whatever_the_server_made_of_them(one: Json, other: Json) -> None:
    def told(row: Json) -> Json:
        return {name: row[name] for name in row if name in {"status", "outcome"}}

    assert is_same_reimbursement(one, other) == (told(one) == told(other))
    assert names_of(one) == []


@given(st.sampled_from(sorted(PATIENTS)), st.sampled_from(["34112-3", "REMB", "57833-6", "11502-2", "ATTEST-RESID"]))
def test_a_patient_writes_what_is_for_patients_and_keeps_what_was_there(his: str, anothers: str) -> None:
    def coding(code: str) -> Json:
        return {"system": LOINC if code[0].isdigit() else OWN_TYPE, "code": code}

    assert class_of(coding(his)["system"], his)
    document = {"type": {"coding": [coding(his), coding(anothers)]}}
    assert [issue.expression for issue in find_foreign_types(document, None)] == ["DocumentReference.type.coding[1]"]
    assert find_foreign_types({"type": {"coding": [coding(his)]}}, None) == []
    assert find_foreign_types(document, {"type": {"coding": [coding(anothers)]}}) == []
    assert find_foreign_types({"type": {"coding": [{"code": anothers}]}}, None) == [], "a type of nobody's says nothing"
