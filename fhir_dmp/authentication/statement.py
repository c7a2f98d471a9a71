"""Statement: what the claims of a token say of the requester, before it is judged; and how IUA's claims say it.

IHE IUA, https://profiles.ihe.net/ITI/IUA/index.html#37143-json-web-token-option; an issuer that has other claims
names their paths in its setting.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import Json, JsonObject

NOS = "https://mos.esante.gouv.fr/NOS"
PROFESSION = f"{NOS}/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante"
SPECIALTY = f"{NOS}/TRE_R38-SpecialiteOrdinale/FHIR/TRE-R38-SpecialiteOrdinale"
SECTOR = f"{NOS}/TRE_R02-SecteurActivite/FHIR/TRE-R02-SecteurActivite"
PURPOSE = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
KIND = "https://fhir-dmp.fr/CodeSystem/requester-kind"
"""Of subject_role: what a requester is where fhirUser does not tell."""

_SYSTEMS = {
    "1.2.250.1.71.1.2.7": PROFESSION,
    "1.2.250.1.213.1.1.5.5": PROFESSION,
    "1.2.250.1.71.4.2.5": SPECIALTY,
    "1.2.250.1.71.4.2.4": SECTOR,
}
_FORMS = {
    PROFESSION: re.compile(r"\d{2}", re.ASCII),
    SPECIALTY: re.compile(r"[A-Z]{2,4}\d{1,3}", re.ASCII),
    SECTOR: re.compile(r"[A-Z]{2}\d{2}", re.ASCII),
    PURPOSE: re.compile(r"[A-Z]+"),
    KIND: re.compile(r"[a-z-]+"),
}
"""What a code looks like that comes without its system."""

Path = tuple[str, ...]
_IUA = ("extensions", "ihe_iua")
_OURS = ("extensions", "fhir_dmp")
PATHS: Mapping[str, Path] = {
    "client": ("client_id",),
    "scope": ("scope",),
    "fhir_user": ("fhirUser",),
    "display": (*_IUA, "subject_name"),
    "kind": (*_IUA, "subject_role"),
    "profession": (*_IUA, "subject_role"),
    "specialty": (*_IUA, "subject_role"),
    "organization": (*_IUA, "subject_organization_id"),
    "rpps": (*_IUA, "national_provider_identifier"),
    "person": (*_IUA, "person_id"),
    "launch_patient": ("patient",),
    "purpose": (*_IUA, "purpose_of_use"),
    "reason": (*_OURS, "reason"),
    "regulation": (*_OURS, "regulation"),
    "sector": (*_OURS, "sector"),
}
"""Where each member is read; a setting may name other paths."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What a token says; members that it does not have are empty. Codes stand without their system."""

    subject: str
    client: str = ""
    token_id: str = ""
    scopes: tuple[str, ...] = ()
    fhir_user: str = ""
    display: str = ""
    kinds: tuple[str, ...] = ()
    professions: tuple[str, ...] = ()
    specialties: tuple[str, ...] = ()
    sectors: tuple[str, ...] = ()
    organization: str = ""
    rpps: str = ""
    person: str = ""
    launch_patient: str = ""
    purposes: tuple[str, ...] = ()
    reason: str = ""
    is_regulator: bool = False
    issued_at: Milliseconds = 0


def read_statement(claims: JsonObject, paths: Mapping[str, Path] = PATHS) -> Statement:
    """Returns what the claims of a verified token say."""

    def text(member: str) -> str:
        return read_text(_at(claims, paths[member]))

    def codes(member: str, system: str) -> tuple[str, ...]:
        return read_codes(_at(claims, paths[member]), system)

    return Statement(
        subject=read_text(claims.get("sub")),
        client=text("client") or read_text(claims.get("azp")),
        token_id=read_text(claims.get("jti")),
        scopes=read_scopes(_at(claims, paths["scope"])),
        fhir_user=text("fhir_user"),
        display=text("display"),
        kinds=codes("kind", KIND),
        professions=codes("profession", PROFESSION),
        specialties=codes("specialty", SPECIALTY),
        sectors=codes("sector", SECTOR),
        organization=text("organization"),
        rpps=text("rpps"),
        person=text("person"),
        launch_patient=text("launch_patient"),
        purposes=codes("purpose", PURPOSE),
        reason=text("reason"),
        is_regulator=_at(claims, paths["regulation"]) is True,
        issued_at=_read_seconds(claims.get("iat")),
    )


def _read_seconds(value: Json) -> Milliseconds:
    """A NumericDate (RFC 7519, 2): seconds, perhaps with a fraction."""
    return int(value * 1000) if isinstance(value, int | float) and not isinstance(value, bool) else 0


def read_text(value: Json) -> str:
    """Returns a claim that is text, without space around it; anything else is as if absent."""
    return value.strip() if isinstance(value, str) else ""


def read_scopes(value: Json) -> tuple[str, ...]:
    """Returns the scopes of a token: separated by spaces, or a list."""
    texts: Sequence[Json] = value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(scope for text in texts for scope in read_text(text).split()))


def read_codes(value: Json, system: str) -> tuple[str, ...]:
    """Returns the codes of one system: of Codings, of `code^OID`, or of plain text that has the form of such a code."""
    values: Sequence[Json] = value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(code for item in values if (code := _read_code(item, system))))


def _read_code(value: Json, system: str) -> str:
    if isinstance(value, dict):
        given = read_text(value.get("system")).removeprefix("urn:oid:")
        return read_text(value.get("code")) if _SYSTEMS.get(given, given) == system else ""
    code, caret, oid = read_text(value).partition("^")
    if caret:
        return code if _SYSTEMS.get(oid) == system else ""
    return code if _FORMS[system].fullmatch(code) else ""


def _at(claims: JsonObject, path: Path) -> Json:
    value: Json = claims
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
