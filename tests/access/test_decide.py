"""What the tables do not show: several records at once, their limit, what is not looked up, the size of a filter."""

from __future__ import annotations

from dataclasses import replace

from bson import encode

from fhir_dmp.access.decide import MAX_RECORDS, Deny, Permit, decide
from fhir_dmp.access.reason import Rule
from fhir_dmp.access.record import RecordState
from fhir_dmp.search.facts import Facts, Security
from fhir_dmp.search.match import matches
from fhir_dmp.store.mongo.filter import build_filter
from tests.strategies.access import MATRIX, consent, facts, inquiry, record, reference

PETIT = {"rpps": "10000000004", "profession": "10", "purpose": "TREAT"}
URGENT = {"rpps": "10000000004", "profession": "10", "purpose": "BTG", "reason": "x", "issued": 5}
ACCESS = consent("c", {"type": "permit", "actor": ["Practitioner/petit"], "purpose": ["TREAT"]})
MASK = consent("m", {"type": "deny", "code": ["http://loinc.org|1-1"]})


def records(count: int) -> list[RecordState]:
    one, other = record([ACCESS]), record([ACCESS, MASK])
    return [replace(other if number % 2 else one, patient_id=f"p{number}") for number in range(count)]


def item(patient: str) -> Facts:
    return facts({"resourceType": "AllergyIntolerance", "id": "1", "patient": reference(f"Patient/{patient}")})


def test_a_search_over_records_shows_those_that_are_open_to_the_requester() -> None:
    states = [*records(2), replace(record(), patient_id="closed-to-him")]
    decision = decide(inquiry(PETIT, records=3), states, MATRIX)
    assert isinstance(decision, Permit)
    assert decision.open_records == ("p0", "p1")
    clause = decision.restriction.clause
    assert [matches(clause, item(name)) for name in ("p0", "p1", "closed-to-him", "p9")] == [True, True, False, False]


def test_a_thousand_records_of_which_the_same_is_shown_are_one_condition() -> None:
    decision = decide(inquiry(PETIT, records=MAX_RECORDS), records(MAX_RECORDS), MATRIX)
    assert isinstance(decision, Permit)
    assert len(encode(build_filter(decision.restriction.clause))) < 40_000


def test_more_records_are_refused() -> None:
    decision = decide(inquiry(PETIT, records=MAX_RECORDS + 1), records(MAX_RECORDS + 1), MATRIX)
    assert decision == Deny(decision.reason) if isinstance(decision, Deny) else False
    assert isinstance(decision, Deny)
    assert decision.reason.rule is Rule.TOO_MANY_RECORDS


def test_an_emergency_is_about_one_patient() -> None:
    decision = decide(inquiry(URGENT, records=2), records(2), MATRIX)
    assert isinstance(decision, Permit)
    assert decision.open_records == ()
    assert {verdict.reason.rule for _, verdict in decision.verdicts} == {Rule.ONE_RECORD_IN_EMERGENCY}


def test_resources_that_were_not_looked_up_are_denied_and_not_permitted() -> None:
    for effect in ("permit", "deny"):
        named = consent("r", {"type": effect, "data": ["related|Observation/9"]})
        state = replace(record([ACCESS, named] if effect == "deny" else [named]), references={})
        decision = decide(inquiry(PETIT), [state], MATRIX)
        assert isinstance(decision, Permit)
        assert not matches(decision.restriction.clause, item("p"))


def test_an_item_whose_security_facts_are_not_known_is_shown_to_nobody_but_those_who_see_all() -> None:
    unknown = item("p")._replace(security=Security())
    for row in (PETIT, URGENT, {"kind": "patient", "patient": "p"}):
        decision = decide(inquiry(row), [record([ACCESS])], MATRIX)
        assert isinstance(decision, Permit)
        assert matches(decision.restriction.clause, item("p"))
        assert not matches(decision.restriction.clause, unknown)
