"""Statement → Requester: what is complete and what an issuer may say. Who is never let in, whatever the scope.

The exclusions: articles L1111-18 (insurers, banks, employers) and L1111-17 IV (occupational medicine) of the Code de la
santé publique.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from fhir_dmp.access.requester import EXCLUDED_SPECIALTIES, Kind, Requester
from fhir_dmp.authentication.fault import RequesterUnknown
from fhir_dmp.authentication.statement import Statement

EXCLUDED_KINDS = frozenset({"insurer", "bank", "employer", "occupational-medicine"})
USUAL_KINDS = frozenset({Kind.PRACTITIONER, Kind.PATIENT, Kind.REPRESENTATIVE, Kind.HELPER, Kind.HOSPITAL})
"""What an issuer may say unless its setting says otherwise: administrators, auditors and the assurance maladie have to
be allowed."""

_NAMED = {kind.value: kind for kind in set(Kind) - {Kind.SYSTEM, Kind.EXCLUDED, Kind.PRACTITIONER, Kind.PATIENT}}
_OF_USER = {
    "Practitioner": Kind.PRACTITIONER,
    "PractitionerRole": Kind.PRACTITIONER,
    "Patient": Kind.PATIENT,
    "RelatedPerson": Kind.REPRESENTATIVE,
}
_PROFESSIONAL = "This token does not name one RPPS number and one profession."
_PATIENT = "This token does not name the patient it is for."
_INSURANCE = "This token does not name the structure of the health insurance."
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_RPPS = re.compile(r"\d{11}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rules:
    """What an issuer may say, and of whom: the kinds of requester, and the sectors (TRE_R02) that are never let in."""

    kinds: AbstractSet[Kind] = USUAL_KINDS
    excluded_sectors: AbstractSet[str] = frozenset()


def build_requester(statement: Statement, rules: Rules, base_url: str) -> Requester:
    """Returns the requester that a statement describes; raises RequesterUnknown: incomplete, or not allowed."""
    user_type, user_id = _split_user(statement.fhir_user, base_url)
    kind = _judge_kind(statement, user_type, rules)
    if kind is Kind.PRACTITIONER and not (_RPPS.fullmatch(statement.rpps) and len(statement.professions) == 1):
        raise RequesterUnknown(_PROFESSIONAL)
    if kind is Kind.HEALTH_INSURANCE and not statement.organization:
        raise RequesterUnknown(_INSURANCE)
    is_professional = kind in {Kind.PRACTITIONER, Kind.EXCLUDED}
    return Requester(
        kind=kind,
        name=statement.subject,
        client=statement.client,
        display=statement.display,
        rpps=statement.rpps if is_professional else "",
        profession=next(iter(statement.professions), "") if is_professional else "",
        specialty=_only(statement.specialties) if is_professional else "",
        organization=statement.organization,
        is_regulator=statement.is_regulator and kind is Kind.PRACTITIONER,
        patient_id=_patient_id(kind, statement, user_id),
        purposes=frozenset(statement.purposes),
        reason=statement.reason,
        scopes=statement.scopes,
        token_id=statement.token_id,
        reference=f"{user_type}/{user_id}" if kind in {Kind.REPRESENTATIVE, Kind.HELPER} and user_id else "",
        issued_at=statement.issued_at,
        launch_patient=_launch_patient(kind, statement),
    )


def _judge_kind(statement: Statement, user_type: str, rules: Rules) -> Kind:
    if _is_excluded(statement, rules):
        return Kind.EXCLUDED
    kind = _named_kind(statement, user_type)
    if kind not in rules.kinds:
        raise RequesterUnknown("The issuer of this token may not speak for such a requester.")
    return kind


def _is_excluded(statement: Statement, rules: Rules) -> bool:
    return not (
        EXCLUDED_KINDS.isdisjoint(statement.kinds)
        and EXCLUDED_SPECIALTIES.isdisjoint(statement.specialties)
        and rules.excluded_sectors.isdisjoint(statement.sectors)
    )


def _named_kind(statement: Statement, user_type: str) -> Kind:
    if len(statement.kinds) > 1 or any(kind not in _NAMED for kind in statement.kinds):
        raise RequesterUnknown("This token names a kind of requester that is not known, or more than one.")
    if statement.kinds:
        return _NAMED[statement.kinds[0]]
    if user_type:
        return _OF_USER[user_type]
    if statement.rpps:
        return Kind.PRACTITIONER
    if statement.client and statement.subject == statement.client:
        return Kind.HOSPITAL
    raise RequesterUnknown("This token does not say what its subject is.")


def _patient_id(kind: Kind, statement: Statement, user_id: str) -> str:
    """The patient of a requester who has one: himself, or the one he acts for."""
    if kind is Kind.PATIENT:
        if statement.person not in {"", user_id}:
            raise RequesterUnknown("This token names two patients.")
        found = user_id
    elif kind in {Kind.REPRESENTATIVE, Kind.HELPER}:
        found = statement.person
    else:
        return ""
    if not _ID.fullmatch(found):
        raise RequesterUnknown(_PATIENT)
    return found


def _launch_patient(kind: Kind, statement: Statement) -> str:
    """The patient that a professional's app is about; who is a patient, or acts for one, is about that one."""
    found = statement.launch_patient
    return found if kind is Kind.PRACTITIONER and _ID.fullmatch(found) else ""


def _split_user(fhir_user: str, base_url: str) -> tuple[str, str]:
    """The type and id of `fhirUser`, which is of this server, or written relative to it."""
    if not fhir_user:
        return "", ""
    parts = fhir_user.removeprefix(f"{base_url}/").split("/")
    if len(parts) != len(("type", "id")) or parts[0] not in _OF_USER or not _ID.fullmatch(parts[1]):
        raise RequesterUnknown("fhirUser names no person of this server.")
    return parts[0], parts[1]


def _only(codes: tuple[str, ...]) -> str:
    """A specialty counts where it is the only one: of several none is known to be exercised."""
    return codes[0] if len(codes) == 1 else ""
