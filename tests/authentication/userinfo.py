"""A userinfo as Pro Santé Connect writes it, of a person who does not exist."""

from __future__ import annotations

from typing import Any


def activity(structure: str, finess: str, sector: str) -> dict[str, Any]:
    return {
        "codeModeExercice": "L",
        "codeSecteurDactivite": sector,
        "identifiantTechniqueDeLaStructure": structure,
        "numeroFinessSite": finess,
    }


def practice(profession: str, specialty: str, *activities: dict[str, Any]) -> dict[str, Any]:
    return {
        "codeProfession": profession,
        "codeCategorieProfessionnelle": "C",
        "codeSavoirFaire": specialty,
        "activities": list(activities),
    }


USERINFO: dict[str, Any] = {
    "sub": "f:550dc1c8-d97b-4b1e-ac8c-8eb4471cf9dd:899900000011",
    "SubjectNameID": "899900000011",
    "preferred_username": "899900000011",
    "otherIds": [{"identifiant": "99900000011", "origine": "RPPS", "qualite": 1}],
    "SubjectRole": ["10^1.2.250.1.213.1.1.5.5"],
    "SubjectOrganization": "CABINET MEDICAL DES REMPARTS",
    "SubjectOrganizationID": "1990000100",
    "Secteur_Activite": "SA07^1.2.250.1.71.4.2.4",
    "Mode_Acces_Raison": "",
    "Acces_Regulation_Medicale": "FAUX",
    "PSI_Locale": "1.2.250.1.213.1.3.1.1",
    "UITVersion": "1.0",
    "Palier_Authentification": "APPPRIP3^1.2.250.1.213.1.5.1.1.1",
    "authMode": "CARD",
    "given_name": "Hélène",
    "family_name": "Carpentier",
    "SubjectRefPro": {
        "codeCivilite": "MME",
        "exercices": [practice("10", "SM54", activity("R10000000123456", "990000100", "SA07"))],
    },
}
