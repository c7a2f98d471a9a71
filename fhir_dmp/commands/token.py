"""`fhir-dmp token`: a token of the local issuer, signed with the keys of the data folder."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass

from fhir_dmp.access.requester import Kind
from fhir_dmp.authentication.fault import SettingUnusable
from fhir_dmp.authentication.statement import Statement
from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.issuer.fault import OAuthError
from fhir_dmp.issuer.grant import Grant, of_patient, of_professional, of_proxy, of_system
from fhir_dmp.issuer.keys import load_keys
from fhir_dmp.issuer.purpose import read_purpose
from fhir_dmp.issuer.server import issuer_url
from fhir_dmp.settings import SettingInvalid, Settings, is_base_url, read_settings

CLIENT = "fhir-dmp-cli"


@dataclass(frozen=True, slots=True)
class Wish:
    """What every token has: the server it is for (empty: that of the settings), its scopes, its life in seconds."""

    url: str
    scope: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Professional:
    """What a practitioner's token says; members that are not known are empty."""

    rpps: str
    profession: str
    specialty: str
    organization: str
    is_regulator: bool
    purpose: str
    reason: str


def sign_professional(person: Professional, wish: Wish) -> str:
    """Returns a practitioner's token; raises CommandError."""
    try:
        purpose, reason = read_purpose({"purpose_of_use": person.purpose, "reason": person.reason})
    except OAuthError as fault:
        raise CommandError(Exit.USAGE, str(fault)) from None
    statement = Statement(
        subject=f"rpps:{person.rpps}",
        rpps=person.rpps,
        professions=(person.profession,),
        specialties=(person.specialty,) if person.specialty else (),
        organization=person.organization,
        is_regulator=person.is_regulator,
        purposes=(purpose,),
        reason=reason,
    )
    return sign_grant(of_professional(statement, CLIENT, _scopes(wish, "user/*.cruds")), wish)


def sign_patient(patient_id: str, wish: Wish) -> str:
    """Returns a patient's token; raises CommandError."""
    return sign_grant(of_patient(patient_id, CLIENT, _scopes(wish, "patient/*.cruds")), wish)


def sign_proxy(kind: Kind, patient_id: str, wish: Wish) -> str:
    """Returns the token of a representative or helper; raises CommandError."""
    return sign_grant(of_proxy(kind.value, patient_id, CLIENT, _scopes(wish, "patient/*.cruds")), wish)


def sign_system(kind: Kind, client: str, organization: str, wish: Wish) -> str:
    """Returns the token of a program; raises CommandError."""
    if kind is Kind.HEALTH_INSURANCE and not organization.strip():
        raise CommandError(Exit.USAGE, "--organization names the structure of the health insurance: no token without")
    return sign_grant(of_system(kind.value, client, organization, _scopes(wish, "system/*.cruds")), wish)


def _scopes(wish: Wish, usual: str) -> tuple[str, ...]:
    return tuple((wish.scope or usual).split())


def sign_grant(grant: Grant, wish: Wish) -> str:
    """Returns the token of a grant; raises CommandError."""
    settings = _read_settings()
    base_url = (wish.url or settings.base_url).rstrip("/")
    if not is_base_url(base_url):
        raise CommandError(Exit.USAGE, f"--url takes the base URL of a server, not {base_url!r}")
    try:
        keys = load_keys(settings.data_dir)
    except (OSError, SettingUnusable) as fault:
        message = f"the keys of the local issuer cannot be had in {settings.data_dir}: {fault}"
        raise CommandError(Exit.ENVIRONMENT, message) from None
    now = time.time_ns() // 1_000_000
    return keys.sign(grant.build_claims(issuer_url(base_url), base_url, str(uuid.uuid4()), now, wish.seconds))


def _read_settings() -> Settings:
    try:
        return read_settings()
    except SettingInvalid as fault:
        raise CommandError(Exit.USAGE, str(fault)) from None
