"""The patient's trace in French, and the notices of emergency access."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fhir_dmp.audit.access import Access, Item, Refusal
from fhir_dmp.audit.event import build_events
from fhir_dmp.audit.notice import build_notice, opened_in_emergency, write_notice_id
from fhir_dmp.audit.trace import build_line, write_day_and_time
from fhir_dmp.conformance.validate import validate_resource
from fhir_dmp.resource import Identity
from tests.audit.trail import ANYONE, DOCTOR, HOSPITAL, PATIENT, RECORDER, access, item, rules

Json = Any

PARIS = ZoneInfo("Europe/Paris")
URGENT = replace(DOCTOR, purposes=frozenset({"BTG"}), reason="Patient inconscient")
CALLED = replace(DOCTOR, purposes=frozenset({"ETREAT"}), is_regulator=True)
WHO = "Dr Jeanne Roy (médecin, RPPS 10100000007, établissement 750000018)"
AT = "Le 1er janvier 2026 à 1 h 00, "

LINES: list[tuple[Access, str]] = [
    (access(), f"{AT}{WHO} a consulté 1 document."),
    (
        access(interaction="search-type", items=(item(1), item(2), Item(Identity("Observation", "o"), 1, "p-1"))),
        f"{AT}{WHO} a consulté par une recherche 2 documents, 1 résultat.",
    ),
    (
        access(interaction="search-type", items=(), patients=("p-1",)),
        f"{AT}{WHO} a cherché dans le dossier, sans rien y trouver.",
    ),
    (access(PATIENT), f"{AT}Marie Martin a consulté 1 document."),
    (access(replace(PATIENT, display="")), f"{AT}le titulaire du dossier a consulté 1 document."),
    (access(HOSPITAL, "create"), f"{AT}dpi (établissement 750000018) a ajouté 1 document."),
    (access(ANYONE, "delete"), f"{AT}open a supprimé 1 document."),
    (access(interaction="operation", items=(), patients=("p-1",)), f"{AT}{WHO} a consulté le dossier."),
    (
        access(URGENT),
        f"{AT}{WHO} a consulté 1 document en urgence (bris de glace). Motif donné : « Patient inconscient ».",
    ),
    (
        access(CALLED),
        f"{AT}{WHO} a consulté 1 document en urgence (régulation du Samu).",
    ),
    (
        access(refusal=Refusal("blocked", "Vous avez bloqué ce professionnel.")),
        f"{AT}{WHO} a demandé l'accès au dossier. Accès refusé : Vous avez bloqué ce professionnel.",
    ),
    (
        access(refusal=Refusal("not-a-physician", "A médecin traitant is a physician.")),
        f"{AT}{WHO} a demandé l'accès au dossier. Accès refusé : la demande n'était pas recevable.",
    ),
    (
        access(PATIENT, "operation", cleaned="DocumentReference/1/$dmp-mask"),
        f"{AT}Marie Martin a masqué 1 document aux professionnels.",
    ),
    (
        access(PATIENT, "operation", items=(), patients=("p-1",), cleaned="Patient/p-1/$dmp-close"),
        f"{AT}Marie Martin a fermé le dossier.",
    ),
    (
        access(interaction="operation", cleaned="Patient/p-1/$summary?x=$dmp-close"),
        f"{AT}{WHO} a consulté 1 document.",
    ),
    (
        access(
            interaction="search-type", items=(Item(Identity("List", "l"), 1, "p-1"),), cleaned="List?code=$dmp-close"
        ),
        f"{AT}{WHO} a consulté par une recherche 1 liste.",
    ),
]


@pytest.mark.parametrize(("done", "line"), LINES)
def test_line_says_when_who_how_and_what(done: Access, line: str) -> None:
    assert str(build_line(build_events(done, RECORDER)[0], PARIS, {"10": "médecin"})) == line


def test_unknown_profession_stands_as_its_code() -> None:
    assert "(profession 10, RPPS" in build_line(build_events(access(), RECORDER)[0], PARIS).who


def test_time_is_that_of_the_patient() -> None:
    assert write_day_and_time("2026-07-14T22:05:00.000Z", PARIS) == "15 juillet 2026 à 0 h 05"


def _event(done: Access) -> Json:
    return {**build_events(done, RECORDER)[0], "id": "e-1"}


RECIPIENTS = ("Patient/p-1", "Practitioner/mt", "https://rpps.esante.gouv.fr|10100000007")


@pytest.mark.parametrize("done", [access(URGENT), access(CALLED)], ids=["break-glass", "regulation"])
@pytest.mark.parametrize("recipient", RECIPIENTS)
def test_notice_is_a_valid_communication_that_says_when_who_how_and_why(done: Access, recipient: str) -> None:
    notice = build_notice(_event(done), "p-1", recipient, PARIS, {"10": "médecin"})
    report = validate_resource(notice, rules().schemas, rules().profiles)
    assert [issue.message for issue in report.issues if issue.severity == "error"] == []
    text = notice["payload"][0]["contentString"]
    assert text.startswith(f"{AT}{WHO} a ouvert ")
    assert ("« Patient inconscient »" in text) is (done.mode.value == "bris_de_glace")
    assert "document" not in text.replace("dossier médical partagé", ""), "what was read may be hidden from him"


def test_the_patient_is_led_to_the_trace_and_his_doctor_is_not() -> None:
    own, others = (build_notice(_event(access(URGENT)), "p-1", name, PARIS) for name in RECIPIENTS[:2])
    assert own["about"] == [{"reference": "AuditEvent/e-1"}]
    assert "votre dossier" in own["payload"][0]["contentString"]
    assert "about" not in others
    assert "le dossier médical partagé de votre patient" in others["payload"][0]["contentString"]


def test_a_notice_does_not_lead_to_an_event_that_its_label_hides() -> None:
    hidden = replace(item(1), labels=(("https://x", "INVISIBLE_PATIENT"),))
    assert "about" not in build_notice(_event(access(URGENT, items=(hidden,))), "p-1", "Patient/p-1", PARIS)


def test_an_identifier_is_named_as_one() -> None:
    notice = build_notice(_event(access(URGENT)), "p-1", RECIPIENTS[2], PARIS)
    identifier = {"system": "https://rpps.esante.gouv.fr", "value": "10100000007"}
    assert notice["recipient"] == [{"type": "Practitioner", "identifier": identifier}]


def test_one_notice_for_what_is_done_with_one_token() -> None:
    done = access(URGENT)
    later = replace(done, items=(item(2),), now=done.now + 3_600_000, request_id="another")
    again = replace(done, requester=replace(URGENT, token_id="another"))
    names = [write_notice_id(row, "p-1", "Patient/p-1") for row in (done, later, again)]
    assert names[0] == names[1] != names[2]
    assert write_notice_id(done, "p-1", "Practitioner/mt") != names[0]
    assert write_notice_id(done, "p-2", "Patient/p-1") != names[0]


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        (access(), False),
        (access(URGENT), True),
        (access(CALLED), True),
        (access(URGENT, refusal=Refusal("opposed")), False),
        (access(URGENT, items=()), False),
        (access(URGENT, items=(), patients=("p-1",)), False),
    ],
)
def test_only_an_emergency_that_gave_something_away_is_notified(done: Access, expected: bool) -> None:
    assert opened_in_emergency(done) == (frozenset({"p-1"}) if expected else frozenset())
