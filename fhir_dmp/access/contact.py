"""Contacts: whom to call in an emergency, and the personne de confiance. The patient writes them; they decide nothing.

A RelatedPerson is a contact by his roles alone (fr-core-related-person, TRE_R260), whoever wrote him, and a contact
represents nobody: so whatever a patient writes gives no one a representative's rights (CSP L1111-6, R1111-50).
"""

from __future__ import annotations

from collections.abc import Iterator

from fhir_dmp.access.closure import is_current
from fhir_dmp.access.consent import Reading
from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.search.links import relative_to

_NOS = "https://mos.esante.gouv.fr/NOS"
ROLE = f"{_NOS}/TRE_R260-HL7RoleClass/FHIR/TRE-R260-HL7RoleClass"
RELATION = f"{_NOS}/TRE_R216-HL7RoleCode/FHIR/TRE-R216-HL7RoleCode"
_CONTACTS = frozenset({
    (ROLE, "ECON"), (ROLE, "QUAL"), (ROLE, "NOK"),
    ("https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-contact-relationship", "K"),
    ("http://terminology.hl7.org/CodeSystem/v2-0131", "C"),
})  # fmt: skip
"""Personne à prévenir en cas d'urgence; personne de confiance, in its three spellings; emergency contact."""
_RELATIONS = frozenset({RELATION, "http://terminology.hl7.org/CodeSystem/v3-RoleCode"})
"""The systems of what somebody is to the patient: a mother or a neighbour, which is no role."""


def is_contact(person: JsonObject) -> bool:
    """Tells whether a RelatedPerson is a contact, and nothing else."""
    roles = [row for row in _codings(person) if row[0] not in _RELATIONS]
    return bool(roles) and _CONTACTS.issuperset(roles)


def has_ended(person: JsonObject | None, now: Milliseconds, reading: Reading) -> bool:
    """Tells whether a RelatedPerson is nothing to the patient now, whom a token names; None: he was deleted."""
    return person is None or person.get("active") is False or not is_current(person.get("period"), now, reading)


def may_represent(person: JsonObject | None, patient_id: str, now: Milliseconds, reading: Reading) -> bool:
    """Tells whether a RelatedPerson may stand for the patient in whose name a token speaks; None: he was deleted."""
    if person is None or has_ended(person, now, reading) or is_contact(person):
        return False
    about = person.get("patient")
    text = about.get("reference") if isinstance(about, dict) else None
    return isinstance(text, str) and relative_to(reading.base_url, text) == f"Patient/{patient_id}"


def _codings(person: JsonObject) -> Iterator[tuple[Json, Json]]:
    for concept in person.get("relationship") or ():
        for coding in concept.get("coding") or ():
            yield coding.get("system"), coding.get("code")
