"""The display of a reference is the title of what it leads to: who may not see the one does not read the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests.rest.server import Server, run_both

Json = Any

MASKED = {
    "system": "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument",
    "code": "MASQUE_PS",
}
SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
STRANGER, PATIENT = "99900000500", "redacted"


def _document(name: str, **more: Json) -> Json:
    return {
        "resourceType": "DocumentReference",
        "id": name,
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "34112-3"}]},
        "subject": {"reference": f"Patient/{PATIENT}"},
        "content": [{"attachment": {"title": name}}],
        **more,
    }


def _rows() -> list[Json]:
    consent = {
        "resourceType": "Consent",
        "id": "redacted-access",
        "status": "active",
        "scope": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]
        },
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": f"Patient/{PATIENT}"},
        "dateTime": "2020-01-01",
        "performer": [{"reference": f"Patient/{PATIENT}"}],
        "organization": [{"display": "DMP"}],
        "policy": [{"uri": "https://www.legifrance.gouv.fr/codes/id/LEGISCTA000006196074"}],
        "provision": {
            "type": "permit",
            "actor": [
                {
                    "role": {
                        "coding": [
                            {"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}
                        ]
                    },
                    "reference": {"identifier": {"system": "https://rpps.esante.gouv.fr", "value": STRANGER}},
                }
            ],
        },
    }
    items = [("open", "Compte rendu ouvert"), ("masked", "Titre masqué"), ("absent", "Titre absent")]
    entries = [{"item": {"reference": f"DocumentReference/redacted-{name}", "display": text}} for name, text in items]
    label = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}, MASKED]}
    return [
        {"resourceType": "Patient", "id": PATIENT, "active": True},
        consent,
        _document("redacted-open"),
        _document("redacted-masked", securityLabel=[label]),
        {
            "resourceType": "List",
            "id": "redacted-list",
            "status": "current",
            "mode": "working",
            "subject": {"reference": f"Patient/{PATIENT}", "display": "Le patient"},
            "entry": entries,
        },
    ]


@pytest.fixture(scope="module")
async def guarded(mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]) -> AsyncIterator[Server]:
    """A server that needs tokens, with one record in it."""
    async with run_both(mongodb_uri, mongodb_client, VALIDATION="core") as (open_server, guarded_server):
        for row in _rows():
            answer = await open_server.client.put(f"/{row['resourceType']}/{row['id']}", json=row)
            assert answer.status_code == 201, answer.text
        yield guarded_server


def _displays(resource: Json) -> list[str | None]:
    return [entry["item"].get("display") for entry in resource["entry"]]


@pytest.mark.parametrize("path", ["List/redacted-list", "List/redacted-list/_history/1", "List?_id=redacted-list"])
async def test_the_display_of_a_hidden_target_is_gone_as_that_of_an_absent_one(path: str, guarded: Server) -> None:
    header = guarded.tokens.practitioner(STRANGER, "10")
    answer = await guarded.client.get(f"/{path}", headers=header)
    body = answer.json()
    resource = body["entry"][0]["resource"] if body["resourceType"] == "Bundle" else body
    assert _displays(resource) == ["Compte rendu ouvert", None, None]
    assert resource["subject"]["display"] == "Le patient"


async def test_the_patient_reads_the_displays_of_what_he_masked(guarded: Server) -> None:
    answer: httpx.Response = await guarded.client.get("/List/redacted-list", headers=guarded.tokens.patient(PATIENT))
    assert _displays(answer.json()) == ["Compte rendu ouvert", "Titre masqué", None]
