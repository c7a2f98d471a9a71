"""Of all who listen, those are found whom an event may concern: the ones that a look at everyone would find."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.delivery.audience import Audience, Listening
from fhir_dmp.resource import Identity
from fhir_dmp.search.facts import Facts
from fhir_dmp.search.match import matches
from fhir_dmp.search.query import AboutPatient, Clause, Everything, OfType, Or, WithId, all_of
from fhir_dmp.store.event_port import Written
from fhir_dmp.subscription.wanted import Wanted

TYPES = ("Observation", "Consent", "Patient")
PATIENTS = ("", "1", "2", "3")
clauses = st.sampled_from([
    Everything(), AboutPatient(("1",)), AboutPatient(("1", "2")), Or((AboutPatient(("2",)), AboutPatient(("3",)))),
    Or((AboutPatient(("2",)), Everything())), all_of([AboutPatient(("1", "2")), AboutPatient(("2", "3"))]),
    WithId("Patient", ("2",)), AboutPatient(()),
])  # fmt: skip
writes = st.lists(st.tuples(st.integers(0, 9), st.sampled_from(TYPES), st.none() | clauses), max_size=30)


def _row(number: int, resource_type: str, clause: Clause) -> Listening:
    whole = all_of([OfType((resource_type,)), clause])
    return Listening(str(number), resource_type, whole, Wanted((), "", heartbeat=number % 3))


@given(writes)
def test_the_same_are_found_as_by_a_look_at_everyone(changes: list[tuple[int, str, Clause | None]]) -> None:
    audience, everyone = Audience(), dict[str, Listening]()
    for number, resource_type, clause in changes:
        if clause is None:
            audience.remove(str(number))
            everyone.pop(str(number), None)
        else:
            everyone[str(number)] = _row(number, resource_type, clause)
            audience.put(everyone[str(number)])
    assert audience.rows == everyone
    assert audience.resource_types == {"Subscription", *(row.resource_type for row in everyone.values())}
    assert audience.heartbeats == {name: int(name) % 3 for name in everyone if int(name) % 3}
    for kind in TYPES:
        for patient in PATIENTS:
            about = patient or None
            facts = Facts(kind, patient if kind == "Patient" else "x", 0, (), (), (), (), (), about)
            written = Written(Identity(kind, facts.resource_id), 1, "POST", 1, "", patient)
            found = {row.subscription_id for row in audience.find(written) if matches(row.clause, facts)}
            assert found == {row.subscription_id for row in everyone.values() if matches(row.clause, facts)}


def test_who_asks_for_one_patient_is_not_looked_at_for_another() -> None:
    audience = Audience()
    for number in range(1000):
        audience.put(_row(number, "Observation", AboutPatient((str(number // 10),))))
    written = Written(Identity("Observation", "x"), 1, "POST", 1, "", "7")
    assert {row.subscription_id for row in audience.find(written)} == {str(number) for number in range(70, 80)}
