"""What the stories about feeding begin with: an open record, and documents as a hospital deposits them."""

from __future__ import annotations

import base64
from typing import Any

from fhir_dmp.instant import write_instant
from fhir_dmp.record.document_type import CLASS
from fhir_dmp.search.sensitivity import CONFIDENTIALITY, LOINC, VISIBILITY
from tests.journeys.story import FINESS, Actor, Story, parameters, reference_of

Json = Any
CHU = "990000010"


async def open_fed(story: Story) -> Actor:
    """A patient with an open record."""
    answer = await story.fund().post("Patient/$dmp-open", parameters(consent=True, patient=story.new_identity()))
    assert answer.status_code == 200, answer.text
    return story.patient(reference_of(answer))


def report(story: Story, patient: Actor, name: str, *labels: str, **changed: Json) -> Json:
    """A report of the CHU about a stay (34112-3, class 10); `name` ends its masterIdentifier and is its content."""
    return {
        "resourceType": "DocumentReference",
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:1.2.250.1.999.{patient.id}.{name}"},
        "status": "current",
        "type": {"coding": [{"system": LOINC, "code": "34112-3"}]},
        "category": [{"coding": [{"system": CLASS, "code": "10"}]}],
        "subject": {"reference": f"Patient/{patient.id}"},
        "date": write_instant(story.clock.now),
        "author": [{"identifier": {"system": FINESS, "value": CHU}}],
        "securityLabel": [
            {"coding": [{"system": CONFIDENTIALITY, "code": "N"}]},
            *({"coding": [{"system": VISIBILITY, "code": label}]} for label in labels),
        ],
        "content": [{"attachment": {"contentType": "text/plain", "data": encode(f"Compte rendu {name}")}}],
        **changed,
    }


def replacing(target: str) -> Json:
    """What says that a document takes the place of another."""
    return {"relatesTo": [{"code": "replaces", "target": {"reference": target}}]}


def encode(text: str) -> str:
    """A text as base64."""
    return base64.b64encode(text.encode()).decode()


async def deposited(actor: Actor, document: Json) -> str:
    """The reference to a document that is deposited for the first time."""
    answer = await actor.post("DocumentReference", document)
    assert answer.status_code == 201, answer.text
    return f"DocumentReference/{answer.json()['id']}"
