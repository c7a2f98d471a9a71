"""Past versions are shown by facts of their own."""

from __future__ import annotations

from fhir_dmp.access.clauses import every, no
from fhir_dmp.resource import Identity, Version
from fhir_dmp.search.query import AboutPatient, ConfidentialUpTo, WithId
from fhir_dmp.store.mongo.document import build_deleted, build_superseded
from fhir_dmp.store.mongo.facts import build_fields
from fhir_dmp.store.mongo.history import build_history_filter
from fhir_dmp.store.port import HistoryQuery
from tests.strategies.access import facts, reference

ITEM = facts({"resourceType": "Observation", "id": "1", "subject": reference("Patient/p")})
VERSION = Version(Identity("Observation", "1"), 1, 1000, "POST", b"{}")


def test_a_past_version_keeps_the_facts_it_had() -> None:
    row = build_superseded(VERSION, 2000, ITEM)
    assert build_fields(ITEM).items() <= row.items()
    assert (row["_id"], row["r"], row["su"]) == ("Observation/1/1", "Observation/1", 2000)


def test_a_deletion_keeps_the_facts_of_what_it_ended() -> None:
    assert build_deleted(VERSION, ITEM)["pt"] == "p"


def test_a_version_without_facts_has_no_confidentiality_that_a_restriction_could_accept() -> None:
    assert "cf" not in build_superseded(VERSION, 2000, None)


def test_a_restriction_by_id_is_asked_of_the_field_that_holds_it() -> None:
    restriction = every([AboutPatient(("p",)), ConfidentialUpTo(4), no(WithId("Observation", ("2",)))])
    found = build_history_filter(HistoryQuery(10), restriction, "r", paged=False)
    assert found == {"$and": [{"$and": [{"pt": "p"}, {"cf": {"$lte": 4}}, {"$nor": [{"r": "Observation/2"}]}]}]}
