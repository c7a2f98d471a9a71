"""Practitioners and their PractitionerRoles, as FR Core describes them: https://hl7.fr/ig/fhir/core.

Professions are of TRE_G15, specialties of TRE_R38; RPPS numbers of a range for tests (9991…).
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from fhir_dmp.generation.chance import draw_id, draw_one, happens
from fhir_dmp.generation.codes import DMP, FR_CORE, FR_CORE_CODES, IDENTIFIER_PRN, RPPS, coding, concept, nos
from fhir_dmp.generation.identity import with_luhn_digit
from fhir_dmp.generation.links import Links, Shared, refer
from fhir_dmp.generation.narrative import narrate
from fhir_dmp.generation.person import draw_given
from fhir_dmp.generation.structures import Structure
from fhir_dmp.generation.tables import Population
from fhir_dmp.json_text import JsonObject

_PROFESSION = nos("TRE_G15-ProfessionSante")
_SPECIALTY = nos("TRE_R38-SpecialiteOrdinale")
_CIVIL = coding(nos("TRE_R09-CategorieProfessionnelle"), "C", "Civil")
_ORDINAL = coding(nos("TRE_R04-TypeSavoirFaire"), "S", "Spécialité ordinale")
_MODE = nos("TRE_R23-ModeExercice")
_META = {"profile": [f"{FR_CORE}fr-core-practitioner", f"{DMP}dmp-practitioner"]}
_ROLE_META = {"profile": [f"{FR_CORE}fr-core-practitioner-role"]}
_BIRTH_YEAR = 1975


@dataclass(frozen=True, slots=True)
class Calling:
    """What a professional is: profession and specialty (empty for none), each a code and its display."""

    profession: tuple[str, str]
    specialty: tuple[str, str] = ("", "")
    is_doctor: bool = True
    is_salaried: bool = False


_PHYSICIAN = ("10", "Médecin")
GENERAL = Calling(_PHYSICIAN, ("SM54", "Médecine générale (SM)"))
CARDIOLOGIST = Calling(_PHYSICIAN, ("SM04", "Cardiologie et Maladies vasculaires (SM)"))
ENDOCRINOLOGIST = Calling(_PHYSICIAN, ("SM62", "Endocrinologie, diabétologie, nutrition (SM)"))
BIOLOGIST = Calling(_PHYSICIAN, ("SM03", "Biologie médicale (SM)"))
RADIOLOGIST = Calling(_PHYSICIAN, ("SM44", "Radio-diagnostic (SM)"))
EMERGENCY = Calling(_PHYSICIAN, ("SM59", "Médecine d'urgence (SM)"), is_salaried=True)
HOSPITALIST = Calling(_PHYSICIAN, ("SM04", "Cardiologie et Maladies vasculaires (SM)"), is_salaried=True)
OBSTETRICIAN = Calling(_PHYSICIAN, ("SM20", "Gynécologie-obstétrique (SM)"))
PEDIATRICIAN = Calling(_PHYSICIAN, ("SM40", "Pédiatrie (SM)"))
PHARMACIST = Calling(("21", "Pharmacien"))
NURSE = Calling(("60", "Infirmier"), is_doctor=False)


@dataclass(frozen=True, slots=True)
class Professional:
    """A professional, how records refer to him, and where he works."""

    shared: Shared
    role: Shared
    name: str
    rpps: str
    family: str
    given: str
    reference: JsonObject
    author: JsonObject
    structure: Structure


def build_professional(
    chance: Random, calling: Calling, population: Population, serial: str, structure: Structure, links: Links
) -> Professional:
    """Builds a professional who works in a structure; `serial` are the six digits that make the RPPS number his."""
    rpps = with_luhn_digit(f"9991{serial}")
    is_male = happens(chance, 0.5)
    given = draw_given(chance, population, _BIRTH_YEAR, is_male=is_male)[0]
    family = draw_one(chance, population.families)
    name = f"{'Dr ' if calling.is_doctor else ''}{given} {family}"
    resource: JsonObject = {
        "resourceType": "Practitioner",
        "id": draw_id(chance),
        "meta": _META,
        "text": narrate(f"{name}, {calling.specialty[1] or calling.profession[1]}, RPPS {rpps}."),
        **_build_specialty(calling),
        "identifier": [_build_number("RPPS", RPPS, rpps), _build_number("IDNPS", "urn:oid:1.2.250.1.71.4.2.1",
                                                                        f"8{rpps}")],
        "active": True,
        "name": [_build_name(calling, name, family, given, is_male=is_male)],
        "gender": "male" if is_male else "female",
        "qualification": _build_qualifications(calling),
    }  # fmt: skip
    shared = Shared(resource, f"identifier={RPPS}|{rpps}")
    reference = shared.reference(links, name)
    author = {"reference": reference["reference"], "identifier": {"system": RPPS, "value": rpps}, "display": name}
    role = _build_role(chance, calling, shared, structure, links)
    return Professional(shared, role, name, rpps, family, given, reference, author, structure)


def _build_role(chance: Random, calling: Calling, practitioner: Shared, structure: Structure, links: Links) -> Shared:
    mode = ("S", "Salarié") if calling.is_salaried else ("L", "Libéral, indépendant, artisan, commerçant")
    person, place = practitioner.resource, structure.shared.resource
    rpps = person["identifier"][0]["value"]
    identifier = {"system": "https://annuaire.example/id/situation-exercice", "value": f"{rpps}-01"}
    resource: JsonObject = {
        "resourceType": "PractitionerRole",
        "id": draw_id(chance),
        "meta": _ROLE_META,
        "text": narrate(f"{person['name'][0]['text']} exerce à : {structure.name}."),
        "identifier": [identifier],
        "active": True,
        "practitioner": refer(links, "Practitioner", person["id"]),
        "organization": refer(links, "Organization", place["id"]),
        "code": [concept(coding(_PROFESSION, *calling.profession)), concept(coding(_MODE, *mode))],
        **({"specialty": [concept(coding(_SPECIALTY, *calling.specialty))]} if calling.specialty[0] else {}),
    }
    return Shared(resource, f"identifier={identifier['system']}|{identifier['value']}")


def _build_specialty(calling: Calling) -> JsonObject:
    if not calling.specialty[0]:
        return {}
    value = coding(_SPECIALTY, *calling.specialty)
    return {"extension": [{"url": f"{FR_CORE}fr-core-practitioner-specialty", "valueCoding": value}]}


def _build_number(kind: str, system: str, value: str) -> JsonObject:
    number_type = concept(coding(f"{FR_CORE_CODES}fr-core-cs-v2-0203", kind), IDENTIFIER_PRN)
    return {"use": "official", "type": number_type, "system": system, "value": value}


def _build_name(calling: Calling, text: str, family: str, given: str, *, is_male: bool) -> JsonObject:
    return {
        "use": "official",
        "text": text,
        "family": family,
        "given": [given],
        "prefix": ["M" if is_male else "MME"],
        **({"suffix": ["DR"]} if calling.is_doctor else {}),
    }


def _build_qualifications(calling: Calling) -> list[JsonObject]:
    rows = [{"code": concept(_CIVIL, coding(_PROFESSION, *calling.profession))}]
    if calling.specialty[0]:
        rows.append({"code": concept(_ORDINAL, coding(_SPECIALTY, *calling.specialty))})
    return rows
