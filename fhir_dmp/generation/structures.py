"""Organizations of the directory, as FR Core describes them: https://hl7.fr/ig/fhir/core.

Numbers are FINESS of a range for tests (991…) with a right key; telephones are of the numbers that Arcep keeps for
fiction.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from fhir_dmp.generation.chance import draw_id
from fhir_dmp.generation.codes import (
    COMMUNES,
    DMP,
    FINESS,
    FR_CORE,
    FR_CORE_CODES,
    HL7,
    coding,
    concept,
    nos,
    own_identifier,
)
from fhir_dmp.generation.identity import with_luhn_digit
from fhir_dmp.generation.links import Links, Shared, refer
from fhir_dmp.generation.narrative import narrate
from fhir_dmp.generation.tables import Department
from fhir_dmp.json_text import JsonObject

_CATEGORY = nos("TRE_R66-CategorieEtablissement")
_ESTABLISHMENT = {"profile": [f"{FR_CORE}fr-core-organization-etablissement", f"{DMP}dmp-organization"]}
_ORGANIZATION = {"profile": [f"{FR_CORE}fr-core-organization", f"{DMP}dmp-organization"]}
_LEGAL = concept(coding(f"{FR_CORE_CODES}fr-core-cs-v2-3307", "LEGAL-ENTITY", "Entité légale"))
_GEOGRAPHICAL = concept(coding(f"{FR_CORE_CODES}fr-core-cs-v2-3307", "GEOGRAPHICAL-ENTITY", "Entité géographique"))
_SECTOR = nos("TRE_R02-SecteurActivite")
_SETTING = nos("TRE_A01-CadreExercice")
_HOSPITAL_SETTING = concept(coding(_SETTING, "ETABLISSEMENT", "Etablissement de santé"))
_AMBULATORY = concept(coding(_SETTING, "AMBULATOIRE", "Ambulatoire"))
_WARD = "Médecine polyvalente"
_ROOM = concept(
    coding(f"{FR_CORE_CODES}fr-core-cs-location-type", "CHAMB", "Chambre"),
    coding(f"{HL7}v3-RoleCode", "HU", "Hospital unit"),
)
_PAYER_SIREN = with_luhn_digit("99999901")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of structure: its name, its category (TRE_R66, empty for none), the sector of its documents."""

    name: str
    category: tuple[str, str] = ("", "")
    sector: tuple[str, str] = ("SA08", "Cabinet de groupe")
    is_hospital: bool = False


HOSPITAL = Kind("Centre hospitalier", ("355", "Centre Hospitalier (C.H.)"), ("SA01", "Etablissement public de santé"),
                is_hospital=True)  # fmt: skip
PRACTICE = Kind("Maison de santé")
SPECIALISTS = Kind("Cabinet de spécialistes")
NURSES = Kind("Cabinet d'infirmiers")
IMAGING = Kind("Centre d'imagerie")
PHARMACY = Kind("Pharmacie", ("620", "Pharmacie d'Officine"))
LABORATORY = Kind("Laboratoire de biologie médicale", ("611", "Laboratoire de Biologie Médicale"))


@dataclass(frozen=True, slots=True)
class Structure:
    """An organization: how records refer to it, and the context of the documents that it makes."""

    shared: Shared
    name: str
    reference: JsonObject
    facility: JsonObject
    setting: JsonObject


def build_structure(
    chance: Random, kind: Kind, department: Department, place: tuple[int, int], links: Links
) -> Structure:
    """Builds a structure of a département; `place` is the number of the département and of the structure in it."""
    number, serial = place
    finess = with_luhn_digit(f"991{number:03d}{serial:02d}")
    name = f"{kind.name} {serial}, {department.city} (données synthétiques)"
    resource: JsonObject = {
        "resourceType": "Organization",
        "id": draw_id(chance),
        "meta": _ESTABLISHMENT,
        "text": narrate(f"{name}, FINESS {finess}, {department.city} ({department.postal_code})."),
        "identifier": [{"type": concept(coding(f"{FR_CORE_CODES}fr-core-cs-v2-0203", "FINEG")),
                        "system": FINESS, "value": finess}],
        "active": True,
        "type": [_GEOGRAPHICAL, *_categorize(kind)],
        "name": name,
        "telecom": [{"system": "phone", "value": f"+33 1 99 00 {number % 100:02d} {serial:02d}", "use": "work"}],
        "address": [build_address(department, f"{serial} place du Marché", "work")],
    }  # fmt: skip
    shared = Shared(resource, f"identifier={FINESS}|{finess}")
    facility = concept(coding(_SECTOR, *kind.sector))
    setting = _HOSPITAL_SETTING if kind.is_hospital else _AMBULATORY
    return Structure(shared, name, shared.reference(links, name), facility, setting)


def build_ward(chance: Random, hospital: Structure, links: Links) -> Shared:
    """Builds the place in a hospital where patients lie."""
    number = own_identifier("lieu", f"{hospital.shared.resource['identifier'][0]['value']}-1")
    resource: JsonObject = {
        "resourceType": "Location",
        "id": draw_id(chance),
        "meta": {"profile": [f"{FR_CORE}fr-core-location"]},
        "text": narrate(f"{_WARD}, {hospital.name}."),
        "identifier": [number],
        "status": "active",
        "name": _WARD,
        "mode": "instance",
        "type": [_ROOM],
        "managingOrganization": refer(links, "Organization", hospital.shared.resource["id"]),
    }
    return Shared(resource, f"identifier={number['system']}|{number['value']}")


def build_payer(chance: Random, links: Links) -> Structure:
    """Builds the compulsory health insurance."""
    name = "Assurance maladie (données synthétiques)"
    number_type = concept(
        coding(f"{FR_CORE_CODES}fr-core-cs-v2-0203", "SIREN"), coding(f"{HL7}v2-0203", "TAX", "Tax ID number")
    )
    resource: JsonObject = {
        "resourceType": "Organization",
        "id": draw_id(chance),
        "meta": _ORGANIZATION,
        "text": narrate(f"{name}, SIREN {_PAYER_SIREN}."),
        "identifier": [{"type": number_type, "system": "https://sirene.fr", "value": _PAYER_SIREN}],
        "active": True,
        "type": [concept(coding(f"{HL7}organization-type", "pay", "Payer"))],
        "name": name,
    }
    shared = Shared(resource, f"identifier=https://sirene.fr|{_PAYER_SIREN}")
    return Structure(shared, name, shared.reference(links, name), concept(text=name), _AMBULATORY)


def build_address(department: Department, line: str, use: str) -> JsonObject:
    """Builds an address in the prefecture, with the Insee code that FR Core wants."""
    return {
        "extension": [insee_code(department.commune)],
        "use": use,
        "line": [line],
        "city": department.city,
        "postalCode": department.postal_code,
        "country": "FRA",
    }


def insee_code(commune: str) -> JsonObject:
    """Builds the extension that says which commune a place is."""
    return {"url": f"{FR_CORE}fr-core-address-insee-code", "valueCoding": coding(COMMUNES, commune)}


def _categorize(kind: Kind) -> list[JsonObject]:
    code, display = kind.category
    return [concept(coding(_CATEGORY, code, display))] if code else []
