"""Grant: what a token is given for, and how its claims say it (IHE IUA, docs/reference/authentication.md)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from fhir_dmp.authentication.statement import KIND, PROFESSION, PURPOSE, SPECIALTY, Statement
from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import JsonObject


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token says besides times and ids. `iua` and `ours` are members of its `extensions`.

    `session` is what all tokens of one authorisation have in common: they are revoked together. `patient` is the
    launch context that SMART apps are told. `thumbprint` is that of the certificate that the token is bound to.
    """

    subject: str
    client: str
    scopes: tuple[str, ...]
    fhir_user: str = ""
    iua: JsonObject = field(default_factory=dict)
    ours: JsonObject = field(default_factory=dict)
    session: str = ""
    patient: str = ""
    thumbprint: str = ""

    def as_json(self) -> JsonObject:
        """Returns what `from_json` reads."""
        return {**asdict(self), "scopes": list(self.scopes)}

    @classmethod
    def from_json(cls, value: JsonObject) -> Self:
        """Returns a grant that was stored."""
        return cls(**{**value, "scopes": tuple(value["scopes"])})

    def build_claims(self, issuer: str, audience: str, token_id: str, now: Milliseconds, seconds: int) -> JsonObject:
        """Returns the claims of an access token."""
        claims: dict[str, Any] = {
            "iss": issuer,
            "sub": self.subject,
            "aud": audience,
            "exp": now // 1000 + seconds,
            "iat": now // 1000,
            "jti": token_id,
            "client_id": self.client,
            "scope": " ".join(self.scopes),
            "fhirUser": self.fhir_user,
            "sid": self.session,
            "patient": self.patient,
            "cnf": {"x5t#S256": self.thumbprint} if self.thumbprint else None,
            "extensions": {"ihe_iua": self.iua, "fhir_dmp": self.ours},
        }
        return {name: value for name, value in claims.items() if value}


def of_professional(statement: Statement, client: str, scopes: tuple[str, ...]) -> Grant:
    """Returns the grant of a professional in one situation d'exercice, for a purpose, with a reason if he gave one."""
    roles = [_coding(PROFESSION, code) for code in statement.professions]
    roles += [_coding(SPECIALTY, code) for code in statement.specialties]
    iua = {
        "subject_name": statement.display,
        "subject_organization_id": statement.organization,
        "subject_role": roles,
        "purpose_of_use": [_coding(PURPOSE, code) for code in statement.purposes],
        "national_provider_identifier": statement.rpps,
    }
    ours = {"reason": statement.reason, "regulation": statement.is_regulator, "sector": list(statement.sectors)}
    return Grant(statement.subject, client, scopes, statement.fhir_user, _filled(iua), _filled(ours))


def of_patient(patient_id: str, client: str, scopes: tuple[str, ...]) -> Grant:
    """Returns the grant of a patient."""
    iua = {"person_id": patient_id}
    user = f"Patient/{patient_id}"
    return Grant(user, client, scopes, user, iua, patient=patient_id)


def of_proxy(kind: str, patient_id: str, client: str, scopes: tuple[str, ...]) -> Grant:
    """Returns the grant of who acts for a patient; `kind` is representative or helper."""
    iua = {"person_id": patient_id, "subject_role": [_coding(KIND, kind)]}
    return Grant(f"{kind} of Patient/{patient_id}", client, scopes, "", iua, patient=patient_id)


def of_system(kind: str, client: str, organization: str, scopes: tuple[str, ...]) -> Grant:
    """Returns the grant of a program that acts for itself; `kind` is a value of Kind."""
    iua = {"subject_organization_id": organization, "subject_role": [_coding(KIND, kind)]}
    return Grant(client, client, scopes, "", _filled(iua))


def bind(grant: Grant, thumbprint: str) -> Grant:
    """Returns a grant whose tokens are good only with a certificate; an empty thumbprint binds to none."""
    return replace(grant, thumbprint=thumbprint)


def _coding(system: str, code: str) -> JsonObject:
    return {"system": system, "code": code}


def _filled(members: JsonObject) -> JsonObject:
    return {name: value for name, value in members.items() if value}
