"""What a clause is confined to holds of all that it is true of."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.resource import Identity
from fhir_dmp.search.confines import identities_in, may_be_of, patients_in
from fhir_dmp.search.facts import Facts, LinkFact
from fhir_dmp.search.match import matches
from fhir_dmp.search.query import (
    AboutPatient,
    And,
    Clause,
    Everything,
    Has,
    LinkValue,
    Not,
    Nothing,
    OfType,
    Or,
    WithId,
)

TYPES = st.sampled_from(("AuditEvent", "Patient", "Observation"))
NAMES = st.sampled_from(("1", "2"))
FACTS = st.builds(
    lambda kind, name, patient: Facts(kind, name, 1, links=(LinkFact("x", "Patient/1"),), patient=patient),
    TYPES,
    NAMES,
    st.none() | NAMES,
).map(lambda facts: facts._replace(patient=facts.resource_id) if facts.resource_type == "Patient" else facts)
LEAVES = st.one_of(
    st.just(Everything()),
    st.just(Nothing()),
    st.lists(TYPES, max_size=2).map(lambda names: OfType(tuple(names))),
    st.builds(lambda kind, names: WithId(kind, tuple(names)), TYPES, st.lists(NAMES, max_size=2)),
    st.lists(NAMES, max_size=2).map(lambda names: AboutPatient(tuple(names))),
    TYPES.map(lambda kind: Has(kind, "x", (LinkValue(("Patient/1",)),))),
)
CLAUSES: st.SearchStrategy[Clause] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: Or(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=6,
)


@given(CLAUSES, FACTS)
def test_what_a_clause_is_true_of_is_of_a_type_that_it_may_be_of(clause: Clause, facts: Facts) -> None:
    assert may_be_of(clause, facts.resource_type) or not matches(clause, facts)


@given(CLAUSES, FACTS)
def test_what_a_clause_is_true_of_is_about_a_patient_that_it_is_confined_to(clause: Clause, facts: Facts) -> None:
    patients = patients_in(clause)
    assert patients is None or facts.patient in patients or not matches(clause, facts)


@given(CLAUSES, FACTS)
def test_what_a_clause_is_true_of_has_an_id_that_it_asks_for(clause: Clause, facts: Facts) -> None:
    identities, own = identities_in(clause), Identity(facts.resource_type, facts.resource_id)
    assert not identities or own in identities or not matches(clause, facts)


def test_clause_of_other_types_is_of_no_event() -> None:
    asked = And((OfType(("Observation",)), AboutPatient(("1",))))
    assert not may_be_of(asked, "AuditEvent")
    assert may_be_of(And((Everything(), AboutPatient(("1",)))), "AuditEvent")
    assert not may_be_of(Or((WithId("Patient", ("1",)), Nothing())), "AuditEvent")
