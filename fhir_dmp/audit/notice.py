"""The notice of an emergency access, to the patient and to the médecin traitant (CSP R1111-48).

A Communication (https://hl7.org/fhir/R4/communication.html): the AuditEvent says what happened and never changes, while
a message has a recipient, is sent, and is known or not to have been received. One for each recipient, because each is
received by itself, and once for an emergency, whatever is read in it: the trace has the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from hashlib import sha256
from types import MappingProxyType

from fhir_dmp.audit.access import Access
from fhir_dmp.audit.code import Mode, concept
from fhir_dmp.audit.event import labels_of
from fhir_dmp.audit.trace import build_line
from fhir_dmp.json_text import JsonObject

CATEGORY = "http://terminology.hl7.org/CodeSystem/communication-category"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ID_DIGITS = 32


def opened_in_emergency(access: Access) -> frozenset[str]:
    """Returns the ids of the patients of whom an interaction gave something away in an emergency mode."""
    if access.mode is Mode.NORMAL:
        return frozenset()
    given = () if access.refusal else access.items
    return frozenset(item.patient for item in given if item.patient) | frozenset(access.opened)


def write_notice_id(access: Access, patient: str, recipient: str) -> str:
    """Returns the id of a recipient's notice: the same for all that is done in one emergency.

    An emergency is one record, one professional and one token; the next token asks for the law's reasons anew.
    """
    requester = access.requester
    token = requester.token_id or str(requester.issued_at)
    text = f"{patient}\n{requester.name}\n{access.mode.value}\n{token}\n{recipient}"
    return sha256(text.encode()).hexdigest()[:ID_DIGITS]


def build_notice(
    event: JsonObject,
    patient: str,
    recipient: str,
    zone: tzinfo,
    professions: Mapping[str, str] = MappingProxyType({}),
) -> JsonObject:
    """Builds the notice of a stored event, without id and version.

    `recipient` is a reference (`Practitioner/1`) or an identifier (`system|value`). The patient's notice leads to the
    event, unless labels hide that from him. It tells of no item: what labels hide would be counted.
    """
    is_his_own = recipient == f"Patient/{patient}"
    line = build_line(event, zone, professions)
    reason = f" Motif donné : « {line.reason} »." if line.reason else ""
    whose = "votre dossier médical partagé" if is_his_own else "le dossier médical partagé de votre patient"
    rest = " Ce qu'il a consulté est dans la trace de votre dossier." if is_his_own else ""
    about = {"about": [{"reference": f"AuditEvent/{event['id']}"}]} if is_his_own and not labels_of(event) else {}
    return {
        "resourceType": "Communication",
        "meta": {"security": [{"system": CONFIDENTIALITY, "code": "R"}]},
        "status": "completed",
        "category": [concept(CATEGORY, "notification")],
        "priority": "urgent",
        "subject": {"reference": f"Patient/{patient}"},
        **about,
        "sent": event["recorded"],
        "recipient": [_write_recipient(recipient)],
        "reasonCode": [{"coding": event["purposeOfEvent"][0]["coding"]}],
        "payload": [
            {"contentString": f"Le {line.when}, {line.who} a ouvert {whose} {line.mode}.{reason}{rest}"},
        ],
    }


def _write_recipient(text: str) -> JsonObject:
    system, is_identifier, value = text.partition("|")
    if is_identifier:
        return {"type": "Practitioner", "identifier": {"system": system, "value": value}}
    return {"reference": text}
