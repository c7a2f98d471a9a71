"""The cases of tests/cases/record, and a Patient with a qualified identity to change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from fhir_dmp.ins.matricule import TEST, matricule_key

Json = Any

CASES = Path(__file__).parents[1] / "cases" / "record"
NUMBERS: Json = yaml.safe_load((CASES / "numbers.yaml").read_text(encoding="utf8"))
FR = "https://hl7.fr/ig/fhir/core"
DEFINITIONS = f"{FR}/StructureDefinition"


def make_matricule(number: str) -> str:
    """The 15 characters of a number of 13."""
    return number + matricule_key(number)


def build_identity(number: str = "2550880021025", **changed: Json) -> Json:
    """A Patient as FR Core's fr-core-patient-ins wants him; `changed` members replace his, None takes one away."""
    patient = {
        "resourceType": "Patient",
        "extension": [build_reliability("VALI", "CN"), build_birth_place("80021")],
        "identifier": [
            {
                "use": "official",
                "type": {"coding": [{"system": f"{FR}/CodeSystem/fr-core-cs-v2-0203", "code": "INS-NIR-TEST"}]},
                "system": TEST,
                "value": make_matricule(number),
            }
        ],
        "name": [
            {
                "extension": [
                    {"url": f"{DEFINITIONS}/fr-core-patient-birth-list-given-name", "valueString": "JEANNE MARIE"}
                ],
                "use": "official",
                "family": "LEFEBVRE",
                "given": ["JEANNE"],
            },
            {"use": "usual", "family": "Martin", "given": ["Jeanne"]},
        ],
        "gender": "female",
        "birthDate": "1955-08-12",
    }
    return {key: value for key, value in {**patient, **changed}.items() if value is not None}


def build_provisional(**changed: Json) -> Json:
    """The same person, of whom no document was seen."""
    return build_identity(**{"extension": [build_reliability("PROV")], "identifier": None, **changed})


def build_reliability(status: str, mode: str = "") -> Json:
    """The reliability of an identity."""
    parts = [
        {"url": "identityStatus", "valueCoding": {"system": f"{FR}/CodeSystem/fr-core-cs-v2-0445", "code": status}}
    ]
    modes = f"{FR}/CodeSystem/fr-core-cs-mode-validation-identity"
    parts += [{"url": "validationMode", "valueCoding": {"system": modes, "code": mode}}] if mode else []
    return {"extension": parts, "url": f"{DEFINITIONS}/fr-core-identity-reliability"}


def build_birth_place(code: str) -> Json:
    """Where someone was born."""
    place = {
        "url": f"{DEFINITIONS}/fr-core-address-insee-code",
        "valueCoding": {
            "system": "https://mos.esante.gouv.fr/NOS/TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM",
            "code": code,
        },
    }
    return {
        "url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace",
        "valueAddress": {"extension": [place], "city": "Amiens"},
    }
