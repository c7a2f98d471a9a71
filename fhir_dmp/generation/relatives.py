"""RelatedPersons: parents who decide for a minor, helpers of the old; and the CareTeam of the chronically ill.

https://hl7.fr/ig/fhir/core, fr-core-related-person
"""

from __future__ import annotations

from fhir_dmp.generation.chance import draw_one, happens
from fhir_dmp.generation.codes import FR_CORE, coding, concept, nos, own_identifier
from fhir_dmp.generation.narrative import narrate
from fhir_dmp.generation.person import as_civil_name, draw_given
from fhir_dmp.generation.record import Record
from fhir_dmp.generation.structures import build_address
from fhir_dmp.json_text import JsonObject

_META = {"profile": [f"{FR_CORE}fr-core-related-person"]}
_ROLE = nos("TRE_R260-HL7RoleClass")
_RELATION = nos("TRE_R216-HL7RoleCode")
_GUARDIAN = concept(coding(_ROLE, "GUARD", "Responsable légal"), text="Titulaire de l'autorité parentale")
_CONTACT = concept(
    coding(_ROLE, "ECON", "personne à prévenir en cas d'urgence"), text="Personne à prévenir en cas d'urgence"
)
_MOTHER = concept(coding(_RELATION, "MTH", "Mère"), text="Mère")
_FATHER = concept(coding(_RELATION, "FTH", "Père"), text="Père")
_WIFE = concept(coding(_RELATION, "WIFE", "Epouse"), text="Épouse")
_PARENT_AGE = 30
_OLD = 75
_TWO_PARENTS = 0.8


def add_relatives(record: Record) -> None:
    """Adds the parents of a minor, or who is called in an emergency for some of the old."""
    person = record.person
    if person.is_minor:
        record.guardians.append(_add(record, _GUARDIAN, _MOTHER, is_male=False))
        if happens(record.chance, _TWO_PARENTS):
            record.guardians.append(_add(record, _GUARDIAN, _FATHER, is_male=True))
    elif person.is_male and person.age >= _OLD and happens(record.chance, record.share("practice", "helper")):
        _add(record, _CONTACT, _WIFE, is_male=False)


def add_care_team(record: Record) -> None:
    """Adds the team around some of those who have a chronic condition."""
    if not record.diseases or not happens(record.chance, record.share("practice", "care_team")):
        return
    disease, staff = record.diseases[0], record.directory.staff
    members = [
        ("Médecin traitant", record.physician),
        ("Infirmier", staff["nurse"][0]),
        ("Pharmacien", draw_one(record.chance, staff["pharmacy"])),
    ]
    team = {
        "text": narrate(f"Équipe de soins : {record.person.name}, {disease.row['text']}."),
        "identifier": [own_identifier("equipe", record.patient_id)],
        "status": "active",
        "name": f"Suivi : {disease.row['text']}",
        **record.of_patient(),
        "period": {"start": max(disease.onset, record.start).isoformat()},
        "participant": [{"role": [{"text": role}], "member": member.reference} for role, member in members],
        "reasonReference": [disease.reference],
        "managingOrganization": [record.physician.structure.reference],
    }
    record.add("CareTeam", team)


def _add(record: Record, role: JsonObject, relation: JsonObject, *, is_male: bool) -> JsonObject:
    person, population = record.person, record.tables.population
    older = _PARENT_AGE if person.is_minor else 0
    given = draw_given(record.chance, population, person.birth.year - older, is_male=is_male)[0]
    name = f"{given} {person.used_family}"
    number = f"{record.patient_id}-{relation['coding'][0]['code']}"
    body: JsonObject = {
        "meta": _META,
        "text": narrate(f"{name}, {relation['text']} : {person.name}."),
        "identifier": [own_identifier("proche", number)],
        "active": True,
        "patient": record.subject,
        "relationship": [role, relation],
        "name": [
            {"use": "official", "family": as_civil_name(person.used_family), "given": [as_civil_name(given)]},
            {"use": "usual", "text": name, "family": person.used_family, "given": [given]},
        ],
        "gender": "male" if is_male else "female",
        "address": [build_address(person.home, person.street, "home")],
    }
    return {**record.add("RelatedPerson", body), "display": name}
