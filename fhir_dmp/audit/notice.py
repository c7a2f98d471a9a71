"""The notice of an emergency access, to the patient and to the médecin traitant (CSP R1111-48).

A Communication (https://hl7.org/fhir/R4/communication.html): the AuditEvent says what happened and never changes, while
a message has a recipient, is sent, and is known or not to have been received. One for each recipient, because each is
received by itself. `about` leads to the event, the label R keeps it from others than its recipients.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from types import MappingProxyType

from fhir_dmp.audit.code import ACCESS_MODE, Mode, concept
from fhir_dmp.audit.event import patient_of
from fhir_dmp.audit.trace import build_line
from fhir_dmp.json_text import JsonObject

_CATEGORY = "http://terminology.hl7.org/CodeSystem/communication-category"
_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


def is_emergency(event: JsonObject) -> bool:
    """Tells whether an event is an access in an emergency that was not refused: the patient has to be told of it."""
    codes = [
        row["code"]
        for purpose in event.get("purposeOfEvent", ())
        for row in purpose.get("coding", ())
        if row["system"] == ACCESS_MODE
    ]
    return event["outcome"] == "0" and bool(patient_of(event)) and codes != [Mode.NORMAL.value]


def build_notices(
    event: JsonObject,
    recipients: list[str],
    zone: tzinfo,
    professions: Mapping[str, str] = MappingProxyType({}),
) -> list[JsonObject]:
    """Builds the notices of a stored event, without id and version: one for each recipient (`Patient/1`…)."""
    line = str(build_line(event, zone, professions))
    text = f"Votre dossier médical partagé a été ouvert en urgence. {line}"
    others = f"Le dossier médical partagé de votre patient a été ouvert en urgence. {line}"
    patient = f"Patient/{patient_of(event)}"
    return [
        _build_notice(event, patient, recipient, text if recipient == patient else others) for recipient in recipients
    ]


def _build_notice(event: JsonObject, patient: str, recipient: str, text: str) -> JsonObject:
    return {
        "resourceType": "Communication",
        "meta": {"security": [{"system": _CONFIDENTIALITY, "code": "R"}]},
        "status": "completed",
        "category": [concept(_CATEGORY, "notification")],
        "priority": "urgent",
        "subject": {"reference": patient},
        "about": [{"reference": f"AuditEvent/{event['id']}"}],
        "sent": event["recorded"],
        "recipient": [{"reference": recipient}],
        "reasonCode": [{"coding": event["purposeOfEvent"][0]["coding"]}],
        "payload": [{"contentString": text}],
    }
