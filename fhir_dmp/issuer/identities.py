"""Who a user of the demo can sign in as: the professionals of some resources, or any patient by his id."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from fhir_dmp.authentication.statement import PROFESSION, SPECIALTY, Statement
from fhir_dmp.issuer.fault import OAuthError
from fhir_dmp.issuer.grant import Grant, of_patient, of_professional, of_proxy
from fhir_dmp.issuer.purpose import read_purpose
from fhir_dmp.json_text import Json, JsonObject

RPPS = "https://rpps.esante.gouv.fr"
FINESS = "https://finess.esante.gouv.fr"
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


@dataclass(frozen=True, slots=True)
class Identity:
    """A professional in one situation d'exercice; `key` is what the page sends back."""

    key: str
    label: str
    statement: Statement


def read_identities(entries: Iterable[JsonObject]) -> list[Identity]:
    """Returns the professionals of the entries of a Bundle, one for each PractitionerRole that names its person."""
    resources = {entry["fullUrl"]: entry["resource"] for entry in entries}
    roles = [item for item in resources.values() if item["resourceType"] == "PractitionerRole"]
    found = [_read_role(role, resources) for role in roles]
    return [identity for identity in found if identity is not None]


def _read_role(role: JsonObject, resources: Mapping[str, JsonObject]) -> Identity | None:
    person = resources.get(role.get("practitioner", {}).get("reference", ""), {})
    place = resources.get(role.get("organization", {}).get("reference", ""), {})
    rpps = _identifier(person, RPPS)
    profession = _codes(role.get("code", []), PROFESSION)
    if not rpps or not profession:
        return None
    name = person["name"][0].get("text", rpps)
    statement = Statement(
        subject=f"rpps:{rpps}",
        display=name,
        rpps=rpps,
        professions=profession[:1],
        specialties=_codes(role.get("specialty", []), SPECIALTY)[:1],
        organization=_identifier(place, FINESS),
    )
    label = ", ".join(filter(None, (name, place.get("name", ""))))
    return Identity(f"{rpps}@{statement.organization}", label, statement)


def _identifier(resource: JsonObject, system: str) -> str:
    return next((item["value"] for item in resource.get("identifier", []) if item.get("system") == system), "")


def _codes(concepts: Json, system: str) -> tuple[str, ...]:
    codings = [coding for concept in concepts for coding in concept.get("coding", [])]
    return tuple(coding["code"] for coding in codings if coding.get("system") == system)


def choose(identities: Iterable[Identity], form: Mapping[str, str], client: str, scopes: tuple[str, ...]) -> Grant:
    """Returns the grant of who the user said he is; raises OAuthError."""
    chosen, patient_id = form.get("identity", ""), form.get("patient", "").removeprefix("Patient/").strip()
    if patient_id and not _ID.fullmatch(patient_id):
        raise OAuthError("invalid_request", "the id of the patient is none")
    if chosen in {"patient", "representative", "helper"}:
        if not patient_id:
            raise OAuthError("invalid_request", "the id of the patient is missing")
        is_self = chosen == "patient"
        return of_patient(patient_id, client, scopes) if is_self else of_proxy(chosen, patient_id, client, scopes)
    identity = next((item for item in identities if item.key == chosen), None)
    if identity is None:
        raise OAuthError("invalid_request", "nobody was chosen")
    return _of_identity(identity, form, client, scopes, patient_id)


def _of_identity(
    identity: Identity, form: Mapping[str, str], client: str, scopes: tuple[str, ...], patient_id: str
) -> Grant:
    purpose, reason = read_purpose(form)
    statement = replace(identity.statement, purposes=(purpose,), reason=reason)
    return replace(of_professional(statement, client, scopes), patient=patient_id)
