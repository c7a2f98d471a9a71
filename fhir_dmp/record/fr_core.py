"""What FR Core calls the parts of an identity: https://hl7.fr/ig/fhir/core, fr-core-patient-ins 2.2.0."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_dmp.ins.matricule import DEMO, NIA, NIR, TEST
from fhir_dmp.json_text import Json, JsonObject

_BASE = "https://hl7.fr/ig/fhir/core/StructureDefinition/"
PATIENT = f"{_BASE}fr-core-patient"
PATIENT_INS = f"{_BASE}fr-core-patient-ins"
RELIABILITY = f"{_BASE}fr-core-identity-reliability"
BIRTH_LIST = f"{_BASE}fr-core-patient-birth-list-given-name"
INSEE = f"{_BASE}fr-core-address-insee-code"
BIRTH_PLACE = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"
IDENTIFIER_TYPES = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"
STATUS = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0445"
TYPES = {NIR: "INS-NIR", NIA: "INS-NIA", TEST: "INS-NIR-TEST", DEMO: "INS-NIR-DEMO"}
"""The code of an identifier's type, by its system."""


def rows(value: Json) -> list[tuple[int, JsonObject]]:
    """Returns the objects of a list with their places in it."""
    return [(place, row) for place, row in enumerate(value) if isinstance(row, dict)] if isinstance(value, list) else []


def values(element: JsonObject, url: str) -> Iterator[Json]:
    """Yields the values of an element's extensions of one kind."""
    for _, extension in rows(element.get("extension")):
        if extension.get("url") == url:
            yield next((value for key, value in extension.items() if key.startswith("value")), None)


def text(element: Json, key: str) -> str:
    """Returns a member that is a string, "" for any other."""
    found = element.get(key) if isinstance(element, dict) else None
    return found if isinstance(found, str) else ""
