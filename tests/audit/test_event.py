"""AuditEvents have the shape that BALP and our profile ask for, and say what was accessed."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace

import pytest

from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.audit.access import Access, Refusal
from fhir_dmp.audit.code import EXPORT_PROFILE, INTERACTION, PROFILE
from fhir_dmp.audit.decision import Decision, build_decision
from fhir_dmp.audit.event import MAX_QUERY, build_events, items_of, patient_of
from fhir_dmp.audit.export import build_export
from fhir_dmp.conformance.validate import validate_resource
from fhir_dmp.json_text import JsonObject, write_json
from fhir_dmp.loader import load_registry
from fhir_dmp.reference import find_slots
from tests.audit.trail import ANYONE, DOCTOR, HOSPITAL, PATIENT, RECORDER, access, indexer, item, rules

REFUSAL = Refusal("blocked", "Le patient a bloqué ce professionnel.", ("c-1",))
URGENT = replace(DOCTOR, purposes=frozenset({"BTG"}), reason="Patient inconscient")
CALLED = replace(DOCTOR, purposes=frozenset({"ETREAT"}), is_regulator=True)
INVISIBLE = ("https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR", "INVISIBLE_PATIENT")
HELPER = Requester(
    Kind.HELPER, "sub-9", client="app-1", display="Luc Petit", patient_id="p-1", reference="RelatedPerson/5"
)

ACCESSES = {
    "read by a practitioner": access(),
    "read by the patient": access(PATIENT),
    "read by a helper": access(HELPER),
    "read without tokens": access(ANYONE),
    "read without an address": replace(access(), address=""),
    "vread": access(interaction="vread"),
    "search that finds two": access(
        interaction="search-type",
        items=(item(1), item(2)),
        query="DocumentReference?patient=p-1&x=1",
        cleaned="patient=p-1",
    ),
    "search that finds nothing": access(interaction="search-type", items=(), query="DocumentReference?status=current"),
    "search that names a patient in vain": access(interaction="search-type", items=(), patients=("p-1",), query="a"),
    "history": access(interaction="history-instance"),
    "create by a hospital's system": access(HOSPITAL, "create"),
    "update": access(interaction="update"),
    "patch": access(interaction="patch"),
    "delete": access(interaction="delete"),
    "operation": access(interaction="operation", query="Patient/p-1/$everything", patients=("p-1",)),
    "refusal": access(refusal=REFUSAL),
    "refusal without text": access(refusal=Refusal("closed")),
    "break-glass": access(URGENT),
    "regulation": access(CALLED),
    "labelled": access(items=(item(1, labels=(INVISIBLE,)),)),
}
ADDED = (
    "dom-6",
    "BALP/CodeSystem/BasicAuditEntityType",
    "BALP/CodeSystem/UserAgentTypes",
    "provenance-participant-type",
    "security-labels",
    "AuthZsubType",
)
SHAPES = {
    "read": ("R", "110152", "110153", "IRCP"),
    "vread": ("R", "110152", "110153", "IRCP"),
    "search-type": ("E", "110153", "110152", "IRCP"),
    "history-instance": ("E", "110153", "110152", "IRCP"),
    "operation": ("E", "110153", "110152", "IRCP"),
    "create": ("C", "110153", "110152", "author"),
    "update": ("U", "110153", "110152", "author"),
    "patch": ("U", "110153", "110152", "author"),
    "delete": ("D", "110150", "custodian", "author"),
}


def types_of(event: JsonObject) -> list[str]:
    return [agent["type"]["coding"][0]["code"] for agent in event["agent"]]


def references(event: JsonObject) -> list[str]:
    return [row["what"]["reference"] for row in event["entity"] if "reference" in row.get("what", {})]


def complaints(resource: JsonObject, profile: str) -> list[str]:
    """What validation has against a resource, but for a narrative and codes that BALP adds to extensible value sets.

    Information is about codes of systems that nobody here has.
    """
    report = validate_resource(resource, rules().schemas, rules().profiles, [profile])
    found = [
        f"{row.severity} {row.expression}: {row.message}" for row in report.issues if row.severity != "information"
    ]
    return [text for text in found if text.startswith("error") or not any(known in text for known in ADDED)]


@pytest.mark.parametrize("name", ACCESSES)
def test_event_is_valid(name: str) -> None:
    for event in build_events(ACCESSES[name], RECORDER):
        assert complaints(event, PROFILE) == []


@pytest.mark.parametrize("name", ACCESSES)
def test_export_is_valid_and_names_who_asked_first(name: str) -> None:
    for event in build_events(ACCESSES[name], RECORDER):
        export = build_export(event)
        assert complaints(export, EXPORT_PROFILE) == []
        assert [agent["requestor"] for agent in export["agent"]] == [True, False]


@pytest.mark.parametrize("interaction", SHAPES)
def test_agents_and_action_are_those_of_balp(interaction: str) -> None:
    event = build_events(access(interaction=interaction), RECORDER)[0]
    assert (event["action"], *types_of(event)) == (*SHAPES[interaction], "PROV")
    assert event["subtype"] == [{"system": INTERACTION, "code": interaction}]


def test_person_has_role_purpose_and_token_and_the_client_its_address() -> None:
    client, server, person, organization = build_events(access(), RECORDER)[0]["agent"]
    assert client["who"]["identifier"]["value"] == "logiciel-1"
    assert client["network"] == {"address": "192.0.2.7", "type": "2"}
    assert server["network"]["address"] == RECORDER.base_url
    assert person["who"]["identifier"] == {"system": "https://rpps.esante.gouv.fr", "value": "10100000007"}
    assert [role["coding"][0]["code"] for role in person["role"]] == ["10", "SM26"]
    assert person["purposeOfUse"][0]["coding"][0]["code"] == "TREAT"
    assert person["policy"] == ["urn:ietf:params:oauth:jti:jti-1"]
    assert organization["who"]["identifier"]["value"] == "750000018"


def test_system_that_acts_for_itself_is_the_requestor() -> None:
    agents = build_events(access(HOSPITAL, "create"), RECORDER)[0]["agent"]
    assert [agent["requestor"] for agent in agents] == [True, False, False]
    assert agents[0]["policy"] == ["urn:ietf:params:oauth:jti:jti-3"]


def test_search_leaves_an_event_for_each_patient_with_his_own_data_only() -> None:
    found = (item(1, "p-1"), item(2, "p-2"), item(3, "p-1"), item(4, ""))
    events = build_events(access(interaction="search-type", items=found, patients=("p-3",)), RECORDER)
    assert {patient_of(event): items_of(event) for event in events} == {
        "p-3": [],
        "p-1": ["DocumentReference/d-1/_history/3", "DocumentReference/d-3/_history/3"],
        "p-2": ["DocumentReference/d-2/_history/3"],
        "": ["DocumentReference/d-4/_history/3"],
    }


@pytest.mark.parametrize("interaction", ["read", "vread", "create", "update", "patch", "delete"])
def test_one_resource_is_an_entity_by_which_its_event_is_found(interaction: str) -> None:
    event = build_events(access(interaction=interaction), RECORDER)[0]
    assert items_of(event) == ["DocumentReference/d-1/_history/3"]
    entities = {link.text for link in indexer().facts({**event, "id": "x"}).links if link.parameter == "entity"}
    assert entities == {"DocumentReference/d-1/_history/3", "DocumentReference/d-1", "Patient/p-1"}


def test_query_is_kept_as_it_was_asked_and_as_it_was_understood() -> None:
    asked = "DocumentReference?patient=p-1&\u2028=\ud800"
    event = build_events(access(interaction="search-type", query=asked, cleaned="patient=p-1"), RECORDER)[0]
    row = next(row for row in event["entity"] if "query" in row)
    assert b64decode(row["query"]) == asked.encode("utf-8", "replace")
    assert row["description"] == "patient=p-1"
    assert "what" not in row


def test_endless_query_is_cut() -> None:
    event = build_events(access(interaction="search-type", query="é" * 100_000), RECORDER)[0]
    row = next(row for row in event["entity"] if "query" in row)
    assert b64decode(row["query"]).decode() == "é" * MAX_QUERY


def test_labelled_resource_is_named_in_an_event_of_its_own_with_its_labels() -> None:
    found = (item(1), item(2, labels=(INVISIBLE,)))
    plain, hidden = build_events(access(interaction="search-type", items=found), RECORDER)
    assert items_of(plain) == ["DocumentReference/d-1/_history/3"]
    assert "security" not in plain["meta"]
    assert items_of(hidden) == ["DocumentReference/d-2/_history/3"]
    assert hidden["meta"]["security"] == [{"system": INVISIBLE[0], "code": INVISIBLE[1]}]


def test_refusal_names_its_rule_and_its_consents() -> None:
    event = build_events(access(refusal=REFUSAL), RECORDER)[0]
    assert event["outcome"] == "4"
    assert event["outcomeDesc"] == REFUSAL.text
    assert "Consent/c-1" in references(event)
    rule = next(row for row in event["entity"] if row["type"]["code"] == "4")
    assert rule["what"]["identifier"]["value"] == "blocked"


def test_emergency_states_purpose_mode_and_reason() -> None:
    purpose = build_events(ACCESSES["break-glass"], RECORDER)[0]["purposeOfEvent"]
    assert [row["code"] for row in purpose[0]["coding"]] == ["BTG", "bris_de_glace"]
    assert purpose[0]["text"] == "Patient inconscient"


@pytest.mark.parametrize("decision", [Decision("p-1", ("c-2",)), Decision("p-1", refusal=REFUSAL), Decision("p-1")])
def test_decision_is_valid_and_names_what_it_rests_on(decision: Decision) -> None:
    event = build_decision(access(), decision, RECORDER)
    assert complaints(event, PROFILE) == []
    assert types_of(event) == ["110150", "authserver", "IRCP", "PROV"]
    assert event["outcome"] == ("4" if decision.refusal else "0")
    consents = [*decision.consents, *(decision.refusal.consents if decision.refusal else ())]
    assert references(event) == ["Patient/p-1", *(f"Consent/{consent}" for consent in consents)]
    assert event["entity"][-1]["what"]["identifier"]["value"] == "urn:ietf:params:oauth:jti:jti-1"
    assert event["subtype"][0]["code"] == ("AuthZ-Consent" if consents else "AuthZ-Role")


@pytest.mark.parametrize("requester", [DOCTOR, PATIENT, HELPER, HOSPITAL, ANYONE])
def test_event_is_about_the_patient_whose_record_it_is_and_about_nobody_who_asked(requester: Requester) -> None:
    event = build_events(access(requester, items=(item(1, "p-8"),)), RECORDER)[0]
    facts = indexer().facts({**event, "id": "x"})
    assert facts.patient == "p-8"
    assert {link.text for link in facts.links if link.parameter == "patient"} == {"Patient/p-8"}


def test_event_without_patient_is_in_no_compartment() -> None:
    event = build_events(access(items=()), RECORDER)[0]
    assert indexer().facts({**event, "id": "x"}).patient is None


@pytest.mark.parametrize("name", ACCESSES)
def test_event_holds_ids_and_never_content(name: str) -> None:
    for event in build_events(ACCESSES[name], RECORDER):
        texts = [slot.original for slot in find_slots(event, load_registry())]
        assert all(len(text) < 120 for text in texts)
        assert len(write_json(event)) < 4000


def test_interaction_leaves_at_least_one_event() -> None:
    bare = Access(ANYONE, "search-system", "", "", 0, 0)
    assert len(build_events(bare, RECORDER)) == 1
