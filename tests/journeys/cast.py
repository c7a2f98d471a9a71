"""What the stories about a patient's choices begin with: an open record, a report in it, an act that succeeds."""

from __future__ import annotations

from typing import Any

from fhir_dmp.instant import write_instant
from tests.journeys.story import DAY, Actor, Story, parameters, reference_of, told

Json = Any
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
VISIBILITY = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"


async def open_record(story: Story, **identity: Json) -> Actor:
    """A patient with an open record that nobody else reads."""
    asked = parameters(consent=True, patient=story.new_identity(**identity))
    answer = await story.fund().post("Patient/$dmp-open", asked)
    assert answer.status_code == 200, answer.text
    return story.patient(reference_of(answer))


async def deposit(story: Story, author: Actor, patient: Actor, *labels: str, days_ago: int = 0) -> str:
    """The reference to a report that a professional deposits in a record; `days_ago` is when it says it was."""
    report: Json = {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": f"Patient/{patient.id}"},
        "type": {"coding": [{"system": "http://loinc.org", "code": "11488-4"}]},
        "date": write_instant(story.clock.now - days_ago * DAY),
        "author": [author.by_number],
        "content": [{"attachment": {"contentType": "text/plain", "data": "VG91cyB2YSBiaWVuLg=="}}],
    }
    said = [(CONFIDENTIALITY, "N"), *((VISIBILITY, label) for label in labels)]
    report["securityLabel"] = [{"coding": [{"system": system, "code": code}]} for system, code in said]
    answer = await author.post("DocumentReference", report)
    assert answer.status_code == 201, answer.text
    return f"DocumentReference/{answer.json()['id']}"


async def made(actor: Actor, body: Json) -> str:
    """The reference to what somebody creates."""
    answer = await actor.post(body["resourceType"], body)
    assert answer.status_code == 201, answer.text
    return f"{body['resourceType']}/{answer.json()['id']}"


async def done(actor: Actor, url: str, **given: Json) -> dict[str, Json]:
    """What an act that succeeds answers."""
    answer = await actor.post(url, parameters(**given))
    assert answer.status_code == 200, answer.text
    return told(answer)
