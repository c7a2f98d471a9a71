"""What the patient allows and refuses: access, blocking, masking, opposition, as the dmp-consent profiles say it.

https://fhir-dmp.fr, https://hl7.org/fhir/R4/consent.html
"""

from __future__ import annotations

from datetime import date

from fhir_dmp.generation.chance import draw_one, happens
from fhir_dmp.generation.codes import DMP, HL7, LOINC, coding, concept, hl7, own_identifier
from fhir_dmp.generation.narrative import narrate
from fhir_dmp.generation.paris import write_day, write_instant
from fhir_dmp.generation.record import Record
from fhir_dmp.json_text import JsonObject

_SCOPE = hl7("consentscope", "patient-privacy", "Privacy Consent")
_DOCUMENT = coding(LOINC, "59284-0", "Consent Document")
_RULES = "https://fhir-dmp.fr/CodeSystem/dmp-consent-rule"
_POLICY = [
    {
        "authority": "https://www.legifrance.gouv.fr",
        "uri": "https://www.legifrance.gouv.fr/codes/texte_lc/LEGITEXT000006072665/",
    }
]
_RECIPIENT = hl7("v3-ParticipationType", "IRCP", "information recipient")
_ACCESS = hl7("consentaction", "access", "Access")
_COLLECT = hl7("consentaction", "collect", "Collect")
_TREAT = coding(f"{HL7}v3-ActReason", "TREAT", "treatment")
_EMERGENCY = [
    coding(f"{HL7}v3-ActReason", "ETREAT", "Emergency Treatment"),
    coding(f"{HL7}v3-ActReason", "BTG", "break the glass"),
]
_TITLES = {
    "access": "Accès accordé",
    "block": "Professionnel bloqué",
    "mask": "Élément masqué",
    "emergency-opposition": "Opposition à l'accès en urgence",
    "feeding-opposition": "Opposition à l'alimentation",
}


def add_consents(record: Record) -> None:
    """Adds the access of those who care for the patient, and what a few patients refuse."""
    staff = record.directory.staff
    if happens(record.chance, record.share("consents", "access")):
        access = {"action": [_ACCESS], "purpose": [_TREAT]}
        doctor = draw_one(record.chance, [record.physician, staff["specialist"][0]])
        _add(record, "access", "dmp-access-consent", "permit", {**_toward(doctor.reference), **access})
    if happens(record.chance, record.share("consents", "block")):
        others = [doctor for doctor in staff["practice"] if doctor is not record.physician]
        _add(record, "block", "dmp-block", "deny", _toward(draw_one(record.chance, others).reference))
    if record.documents and happens(record.chance, record.share("consents", "mask")):
        document = draw_one(record.chance, record.documents)
        named = {**document["reference"], "display": document["title"]}
        _add(record, "mask", "dmp-mask", "deny", {"data": [{"meaning": "instance", "reference": named}]})
    if happens(record.chance, record.share("consents", "emergency")):
        _add(record, "emergency-opposition", "dmp-emergency-opposition", "deny", {"purpose": _EMERGENCY})
    if happens(record.chance, record.share("consents", "feeding")):
        hospital = staff["hospital"][0].structure.reference
        refused = {**_toward(hospital), "action": [_COLLECT]}
        _add(record, "feeding-opposition", "dmp-feeding-opposition", "deny", refused)


def _toward(reference: JsonObject) -> JsonObject:
    return {"actor": [{"role": _RECIPIENT, "reference": reference}]}


def _add(record: Record, rule: str, profile: str, decision: str, provision: JsonObject) -> None:
    day: date = record.draw_day()
    number, title = record.new_id(), _TITLES[rule]
    record.add("Consent", {
        "meta": {"profile": [f"{DMP}{profile}"]},
        "text": narrate(f"{title}, le {write_day(day)}."),
        "identifier": [own_identifier("consentement", number)],
        "status": "active",
        "scope": _SCOPE,
        "category": [concept(_DOCUMENT, coding(_RULES, rule, title), text=title)],
        "patient": record.subject,
        "dateTime": write_instant(day, record.draw_minute()),
        "performer": [record.guardians[0] if record.guardians else record.subject],
        "organization": [record.payer.reference],
        "policy": _POLICY,
        "provision": {"type": decision, "period": {"start": day.isoformat()}, **provision},
    }, number)  # fmt: skip
