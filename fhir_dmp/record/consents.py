"""The Consents and the Provenance that an act on a record leaves: https://hl7.org/fhir/R4/provenance.html."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.instant import Milliseconds, write_instant
from fhir_dmp.json_text import JsonObject
from fhir_dmp.search.security import RPPS

ACTS = "https://fhir-dmp.fr/CodeSystem/dmp-act"
CHANNELS = "https://fhir-dmp.fr/CodeSystem/dmp-channel"
FINESS = "https://finess.esante.gouv.fr"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
_OPERATION, _PURPOSE = f"{_TERMINOLOGY}v3-DataOperation", f"{_TERMINOLOGY}v3-ActReason"
_RULES = "https://fhir-dmp.fr/CodeSystem/dmp-consent-rule"
_LAW = "https://www.legifrance.gouv.fr/codes/texte_lc/LEGITEXT000006072665/"
_ACCESS_CONSENT = "https://fhir-dmp.fr/StructureDefinition/dmp-access-consent"
_PERFORMER, _INFORMANT = "performer", "informant"
_NAMED = {Kind.ADMINISTRATOR: "Caisse d'assurance maladie", Kind.SYSTEM: "Serveur du DMP"}


@dataclass(frozen=True, slots=True)
class Act:
    """What was done to a record, by whom and when; `code` is of dmp-act, `reason` a Coding of why or how."""

    code: str
    requester: Requester
    patient_id: str
    now: Milliseconds
    base_url: str
    reason: JsonObject | None = None


def build_access_consent(act: Act, professional: JsonObject, period: JsonObject | None = None) -> JsonObject:
    """Builds the Consent by which a patient lets a professional or structure (a Reference) read his record for care.

    `period` is a FHIR Period; without one it begins now and has no end.
    """
    provision = {
        "type": "permit",
        "period": period or {"start": write_instant(act.now)},
        **build_recipient(professional),
        "action": [_concept(f"{_TERMINOLOGY}consentaction", "access")],
        "purpose": [build_purpose("TREAT")],
    }
    return build_consent(act, "access", _ACCESS_CONSENT, provision)


def build_consent(act: Act, rule: str, profile: str, provision: JsonObject) -> JsonObject:
    """Builds a Consent of the patient of an act; `rule` is a code of dmp-consent-rule, "" for what is none of them."""
    category = [_concept("http://loinc.org", "59284-0"), *([_concept(_RULES, rule)] if rule else [])]
    return {
        "resourceType": "Consent",
        "meta": {"profile": [profile]},
        "status": "active",
        "scope": _concept(f"{_TERMINOLOGY}consentscope", "patient-privacy"),
        "category": category,
        "patient": {"reference": f"Patient/{act.patient_id}"},
        "dateTime": write_instant(act.now),
        "performer": [_performer(act)],
        "organization": [_organization(act)],
        "policy": [{"authority": "https://www.legifrance.gouv.fr", "uri": _LAW}],
        "provision": provision,
    }


def build_recipient(party: JsonObject) -> JsonObject:
    """Builds the actor of a provision: a Reference to whom it is about."""
    return {"actor": [{"role": _concept(f"{_TERMINOLOGY}v3-ParticipationType", "IRCP"), "reference": party}]}


def build_purpose(code: str) -> JsonObject:
    """Builds a purpose of use, a code of v3-ActReason."""
    return {"system": _PURPOSE, "code": code}


def build_provenance(act: Act, targets: Sequence[str]) -> JsonObject:
    """Builds the Provenance of an act: who did it, whose consent was collected by whom."""
    role = f"{_TERMINOLOGY}provenance-participant-type"
    agents: list[JsonObject] = [{"type": _concept(role, _PERFORMER), "who": _who(act)}]
    if act.requester.organization:
        agents[0]["onBehalfOf"] = _organization(act)
    if act.requester.kind is not Kind.PATIENT:
        agents.append({"type": _concept(role, _INFORMANT), "who": {"reference": f"Patient/{act.patient_id}"}})
    built: JsonObject = {
        "resourceType": "Provenance",
        "target": [{"reference": target} for target in targets],
        "recorded": write_instant(act.now),
        "activity": _with(_concept(ACTS, act.code), _OPERATION, "CREATE" if act.code == "open" else "UPDATE"),
        "agent": agents,
    }
    return {**built, "reason": [_with({"coding": [act.reason]}, _PURPOSE, "PATADMIN")]} if act.reason else built


def _with(concept: JsonObject, system: str, code: str) -> JsonObject:
    """A concept of ours with the code of R4 beside it, as its extensible bindings ask."""
    return {"coding": [*concept["coding"], {"system": system, "code": code}]}


def refer_to_requester(requester: Requester) -> JsonObject:
    """Builds the Reference by which a Consent names a professional: his RPPS number."""
    return {"type": "Practitioner", "identifier": {"system": RPPS, "value": requester.rpps}}


def _who(act: Act) -> JsonObject:
    requester = act.requester
    match requester.kind:
        case Kind.PRACTITIONER:
            return refer_to_requester(requester)
        case Kind.PATIENT:
            return {"reference": f"Patient/{requester.patient_id}"}
        case Kind.REPRESENTATIVE if requester.reference:
            return {"reference": requester.reference}
    return {"identifier": {"value": requester.name}, "display": _NAMED.get(requester.kind, requester.name)}


def _performer(act: Act) -> JsonObject:
    """A Consent is given by the patient, or by who represents him; others only collect it."""
    is_represented = act.requester.kind is Kind.REPRESENTATIVE and bool(act.requester.reference)
    return _who(act) if is_represented else {"reference": f"Patient/{act.patient_id}"}


def _organization(act: Act) -> JsonObject:
    if act.requester.organization:
        return {"type": "Organization", "identifier": {"system": FINESS, "value": act.requester.organization}}
    return {"type": "Organization", "identifier": {"value": act.base_url}, "display": "Dossier Médical Partagé"}


def _concept(system: str, code: str) -> JsonObject:
    return {"coding": [{"system": system, "code": code}]}
