"""The patient's trace in French, and the notices of emergency access."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fhir_dmp.audit.access import Access, Item, Refusal
from fhir_dmp.audit.event import build_events
from fhir_dmp.audit.notice import build_notices, is_emergency
from fhir_dmp.audit.trace import build_line, write_day_and_time
from fhir_dmp.conformance.validate import validate_resource
from fhir_dmp.resource import Identity
from tests.audit.trail import ANYONE, DOCTOR, HOSPITAL, PARIS, PATIENT, RECORDER, access, item, rules

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
]


@pytest.mark.parametrize(("done", "line"), LINES)
def test_line_says_when_who_how_and_what(done: Access, line: str) -> None:
    assert str(build_line(build_events(done, RECORDER)[0], PARIS, {"10": "médecin"})) == line


def test_unknown_profession_stands_as_its_code() -> None:
    assert "(profession 10, RPPS" in build_line(build_events(access(), RECORDER)[0], PARIS).who


def test_time_is_that_of_the_patient() -> None:
    assert write_day_and_time("2026-07-14T22:05:00.000Z", PARIS) == "15 juillet 2026 à 0 h 05"


def test_emergency_is_notified_to_each_recipient_by_a_valid_communication() -> None:
    event = {**build_events(access(URGENT), RECORDER)[0], "id": "e-1"}
    notices = build_notices(event, ["Patient/p-1", "Practitioner/mt"], PARIS, {"10": "médecin"})
    for notice in notices:
        report = validate_resource(notice, rules().schemas, rules().profiles)
        assert [issue.message for issue in report.issues if issue.severity == "error"] == []
        assert notice["about"] == [{"reference": "AuditEvent/e-1"}]
        assert WHO in notice["payload"][0]["contentString"]
    assert [notice["recipient"][0]["reference"] for notice in notices] == ["Patient/p-1", "Practitioner/mt"]
    assert notices[0]["payload"][0]["contentString"].startswith("Votre dossier")
    assert notices[1]["payload"][0]["contentString"].startswith("Le dossier médical partagé de votre patient")


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        (access(), False),
        (access(URGENT), True),
        (access(CALLED), True),
        (access(URGENT, refusal=Refusal("opposed")), False),
        (access(URGENT, items=()), False),
    ],
)
def test_only_an_emergency_access_to_a_record_that_was_not_refused_is_notified(done: Access, expected: bool) -> None:
    assert is_emergency(build_events(done, RECORDER)[0]) is expected
