"""Code systems, and the elements that are the same wherever they stand: https://hl7.org/fhir/R4/datatypes.html.

The elements are shared between resources: nobody changes them.
"""

from __future__ import annotations

from fhir_dmp.json_text import JsonObject

HL7 = "http://terminology.hl7.org/CodeSystem/"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
CIM10 = "https://smt.esante.gouv.fr/terminologie-cim-10"
CCAM = "https://smt.esante.gouv.fr/terminologie-ccam"
ATC = "https://smt.esante.gouv.fr/terminologie-atc"
WHO_ATC = "http://www.whocc.no/atc"
FR_CORE = "https://hl7.fr/ig/fhir/core/StructureDefinition/"
FR_CORE_CODES = "https://hl7.fr/ig/fhir/core/CodeSystem/"
DMP = "https://fhir-dmp.fr/StructureDefinition/"
RPPS = "https://rpps.esante.gouv.fr"
FINESS = "https://finess.esante.gouv.fr"
OWN_IDS = "https://donnees-synthetiques.example/id/"


def nos(name: str) -> str:
    """Returns the URI of a table of the nomenclature of health objects: `TRE_G15-ProfessionSante`."""
    return f"https://mos.esante.gouv.fr/NOS/{name}/FHIR/{name.replace('TRE_', 'TRE-')}"


def coding(system: str, code: str, display: str = "") -> JsonObject:
    """Builds a Coding."""
    return {"system": system, "code": code, **({"display": display} if display else {})}


def concept(*codings: JsonObject, text: str = "") -> JsonObject:
    """Builds a CodeableConcept of codings, a text or both."""
    return {**({"coding": list(codings)} if codings else {}), **({"text": text} if text else {})}


def hl7(system: str, code: str, display: str) -> JsonObject:
    """Builds the CodeableConcept of a code of HL7's own terminology."""
    return concept(coding(HL7 + system, code, display))


def medicine(atc: str, name: str, text: str) -> JsonObject:
    """Builds the concept of a product: its ATC class under the French and the international URI, and its name."""
    return concept(coding(ATC, atc), coding(WHO_ATC, atc, name), text=text)


def quantity(value: float, unit: str, code: str) -> JsonObject:
    """Builds a Quantity of UCUM."""
    return {"value": value, "unit": unit, "system": UCUM, "code": code}


def euros(amount: float) -> JsonObject:
    """Builds a Money, to the cent."""
    return {"value": round(amount, 2), "currency": "EUR"}


def own_identifier(kind: str, value: str) -> JsonObject:
    """Builds an identifier of ours: what it identifies, and a value that nothing else of that kind has."""
    return {"system": f"{OWN_IDS}{kind}", "value": value}


CATEGORY_VITAL = [hl7("observation-category", "vital-signs", "Vital Signs")]
CATEGORY_LABORATORY = [hl7("observation-category", "laboratory", "Laboratory")]
CATEGORY_SOCIAL = [hl7("observation-category", "social-history", "Social History")]
IDENTIFIER_PRN = coding(f"{HL7}v2-0203", "PRN", "Provider number")
COMMUNES = nos("TRE_R13-CommuneOM")
