"""The Patient with a qualified INS identity, and the coverage: https://hl7.fr/ig/fhir/core, fr-core-patient-ins.

The matricule goes under the OID of tests; some identities are provisional, and have none.
"""

from __future__ import annotations

from datetime import date

from fhir_dmp.generation.chance import draw_between, draw_one, happens
from fhir_dmp.generation.codes import DMP, FR_CORE, FR_CORE_CODES, HL7, coding, concept, hl7, own_identifier
from fhir_dmp.generation.links import refer
from fhir_dmp.generation.narrative import narrate
from fhir_dmp.generation.paris import write_day
from fhir_dmp.generation.person import Person, as_civil_name
from fhir_dmp.generation.record import Record
from fhir_dmp.generation.structures import build_address, insee_code
from fhir_dmp.json_text import JsonObject

INS_TEST = "urn:oid:1.2.250.1.213.1.4.10"
_QUALIFIED = {"profile": [f"{FR_CORE}fr-core-patient-ins", f"{DMP}dmp-patient"]}
_PLAIN = {"profile": [f"{FR_CORE}fr-core-patient", f"{DMP}dmp-patient"]}
_RELIABILITY = f"{FR_CORE}fr-core-identity-reliability"
_STATUS = f"{FR_CORE_CODES}fr-core-cs-v2-0445"
_METHOD = coding(f"{FR_CORE_CODES}fr-core-cs-method-collection", "INSI", "Téléservice INSI")
_MODES = [
    coding(f"{FR_CORE_CODES}fr-core-cs-mode-validation-identity", "CN", "Carte nationale d'identité"),
    coding(f"{FR_CORE_CODES}fr-core-cs-mode-validation-identity", "PA", "Passeport"),
]
INS_TYPE = concept(
    coding(f"{FR_CORE_CODES}fr-core-cs-v2-0203", "INS-NIR-TEST"),
    coding(f"{FR_CORE_CODES}fr-core-cs-v2-0203", "NNFRA"),
    coding(f"{HL7}v2-0203", "SB", "Social Beneficiary Identifier"),
)
_IPP_TYPE = concept(
    coding(f"{HL7}v2-0203", "PI", "Patient internal identifier"), coding(f"{HL7}v2-0203", "MR", "Medical record number")
)
_MARRIED = concept(coding(f"{HL7}v3-MaritalStatus", "M", "Married"), text="Marié(e)")
_SINGLE = concept(coding(f"{HL7}v3-MaritalStatus", "S", "Never Married"), text="Célibataire")
_FRENCH = [{"language": concept(coding("urn:ietf:bcp:47", "fr-FR"), text="français"), "preferred": True}]
_SELF = hl7("subscriber-relationship", "self", "Self")
_CHILD = hl7("subscriber-relationship", "child", "Child")
_PUBLIC = concept(coding(f"{HL7}v3-ActCode", "PUBLICPOL", "public healthcare"), text="Assurance maladie obligatoire")
_MIDDLE_AGE = 35


def add_patient(record: Record) -> None:
    """Adds the Patient, who is what the rest of the record refers to."""
    person = record.person
    record.subject = {**refer(record.links, "Patient", record.patient_id), "display": person.name}
    is_open = not happens(record.chance, record.share("consents", "closed"))
    body: JsonObject = {
        "meta": _QUALIFIED if record.matricule else _PLAIN,
        "text": _narrate(record),
        "extension": _build_extensions(record),
        "identifier": _build_identifiers(record),
        "active": is_open,
        "name": build_names(person, is_qualified=bool(record.matricule)),
        "telecom": _build_telecom(record),
        "gender": "male" if person.is_male else "female",
        "birthDate": person.birth.isoformat(),
        "address": [build_address(person.home, person.street, "home")],
        **({} if person.is_minor else {"maritalStatus": _MARRIED if person.age >= _MIDDLE_AGE else _SINGLE}),
        "communication": _FRENCH,
    }
    if happens(record.chance, record.share("practice", "attending_physician")):
        body["generalPractitioner"] = [record.physician.reference]
    record.add("Patient", body, record.patient_id)


def add_coverage(record: Record) -> None:
    """Adds the right to compulsory insurance, that of a parent for a minor."""
    person, number = record.person, own_identifier("droits", record.patient_id)
    holder = record.guardians[0] if person.is_minor and record.guardians else record.subject
    body: JsonObject = {
        "text": narrate(f"Assurance maladie obligatoire de {person.name}."),
        "identifier": [number],
        "status": "active",
        "type": _PUBLIC,
        "subscriber": holder,
        "beneficiary": record.subject,
        "relationship": _CHILD if holder is not record.subject else _SELF,
        "period": {"start": max(person.birth, date(1946, 1, 1)).isoformat()},
        "payor": [record.payer.reference],
    }
    record.coverage = record.add("Coverage", body)


def build_names(person: Person, *, is_qualified: bool) -> list[JsonObject]:
    """Builds the name of the INS, where there is one, and the name in use."""
    used: JsonObject = {
        "use": "usual",
        "text": person.name,
        "family": person.used_family,
        "given": [person.given[0]],
        "prefix": ["M" if person.is_male else "MME"],
    }
    if not is_qualified:
        return [used]
    given = " ".join(as_civil_name(name) for name in person.given)
    official: JsonObject = {
        "extension": [{"url": f"{FR_CORE}fr-core-patient-birth-list-given-name", "valueString": given}],
        "use": "official",
        "family": as_civil_name(person.family),
        "given": [as_civil_name(person.given[0])],
    }
    return [official, used]


def _narrate(record: Record) -> JsonObject:
    person = record.person
    born = f"{'né' if person.is_male else 'née'} le {write_day(person.birth)} ({person.birth_place.city})"
    number = f"matricule INS de test {record.matricule}" if record.matricule else "identité provisoire"
    return narrate(f"{person.name}, {born}, {number}.")


def _build_extensions(record: Record) -> list[JsonObject]:
    if not record.matricule:
        provisional = coding(_STATUS, "PROV", "Identité provisoire")
        return [{"extension": [{"url": "identityStatus", "valueCoding": provisional}], "url": _RELIABILITY}]
    day, place = max(record.start, record.person.birth).isoformat(), record.person.birth_place
    reliability: JsonObject = {
        "extension": [
            {"url": "methodCollection", "valueCoding": _METHOD},
            {"url": "dateCollection", "valueDate": day},
            {"url": "identityStatus", "valueCoding": coding(_STATUS, "VALI", "Identité validée")},
            {"url": "validationDate", "valueDate": day},
            {"url": "validationMode", "valueCoding": draw_one(record.chance, _MODES)},
        ],
        "url": _RELIABILITY,
    }
    birth_place: JsonObject = {
        "url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace",
        "valueAddress": {"extension": [insee_code(place.code)], "city": place.city, "country": place.country},
    }
    return [reliability, birth_place]


def _build_identifiers(record: Record) -> list[JsonObject]:
    internal: JsonObject = {
        "use": "usual",
        "type": _IPP_TYPE,
        **own_identifier(f"ipp-{record.person.home.code}", record.patient_id[:8]),
    }
    if not record.matricule:
        return [internal]
    return [build_matricule(record.matricule), internal]


def build_matricule(value: str) -> JsonObject:
    """Builds the identifier of a matricule INS of tests."""
    return {"use": "official", "type": INS_TYPE, "system": INS_TEST, "value": value}


def _build_telecom(record: Record) -> list[JsonObject]:
    number = draw_between(record.chance, 0, 9999)
    return [{"system": "phone", "value": f"+33 6 39 98 {number // 100:02d} {number % 100:02d}", "use": "mobile"}]
