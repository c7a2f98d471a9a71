"""Conditions, their treatments, and allergies, drawn by age from the prevalence in France.

Profiles dmp-condition, dmp-medication-statement and dmp-allergy-intolerance: https://fhir-dmp.fr
"""

from __future__ import annotations

from datetime import date, timedelta

from fhir_dmp.generation.chance import draw_between, happens
from fhir_dmp.generation.codes import CIM10, DMP, SNOMED, coding, concept, hl7, medicine
from fhir_dmp.generation.narrative import narrate
from fhir_dmp.generation.paris import write_day
from fhir_dmp.generation.record import YEAR, Disease, Record
from fhir_dmp.json_text import JsonObject

CONDITION_META = {"profile": [f"{DMP}dmp-condition"]}
ACTIVE = hl7("condition-clinical", "active", "Active")
RESOLVED = hl7("condition-clinical", "resolved", "Resolved")
CONFIRMED = hl7("condition-ver-status", "confirmed", "Confirmed")
_PROBLEM = hl7("condition-category", "problem-list-item", "Problem List Item")
_DIAGNOSIS = hl7("condition-category", "encounter-diagnosis", "Encounter Diagnosis")
_STATEMENT_META = {"profile": [f"{DMP}dmp-medication-statement"]}
_ALLERGY_META = {"profile": [f"{DMP}dmp-allergy-intolerance"]}
_ALLERGY_ACTIVE = hl7("allergyintolerance-clinical", "active", "Active")
_ALLERGY_CONFIRMED = hl7("allergyintolerance-verification", "confirmed", "Confirmed")
_NO_ALLERGY = concept(coding(SNOMED, "716186003", "No known allergy"), text="Aucune allergie connue")
_ORAL = concept(coding("http://standardterms.edqm.eu", "20053000", "Oral use"), text="voie orale")
_LONGEST = 15


def add_diseases(record: Record) -> None:
    """Adds the chronic conditions of the patient, each with its treatments."""
    for row in record.tables.medicine["chronic"]:
        if happens(record.chance, record.of_age(row["prevalence"])):
            _add_disease(record, row)


def add_allergies(record: Record) -> None:
    """Adds allergies; of some who have none, that they have none."""
    rows = [
        row for row in record.tables.medicine["allergies"] if happens(record.chance, record.of_age(row["prevalence"]))
    ]
    for row in rows:
        _add_allergy(record, row)
    if not rows and happens(record.chance, record.tables.medicine["no_known_allergy"]):
        record.add("AllergyIntolerance", {
            "meta": _ALLERGY_META,
            "text": narrate("Aucune allergie connue."),
            "clinicalStatus": _ALLERGY_ACTIVE,
            "verificationStatus": _ALLERGY_CONFIRMED,
            "code": _NO_ALLERGY,
            "patient": record.subject,
            **_recorded(record, record.draw_day()),
        })  # fmt: skip


def add_diagnosis(record: Record, row: list[str], start: date, end: date, encounter: JsonObject) -> JsonObject:
    """Adds what was found at an encounter (a CIM-10 code and its text), and returns a reference to it."""
    code, text = row[0], row[1]
    return record.add("Condition", {
        "meta": CONDITION_META,
        "text": narrate(f"{text}, le {write_day(start)}."),
        "clinicalStatus": RESOLVED if end < record.until else ACTIVE,
        "verificationStatus": CONFIRMED,
        "category": [_DIAGNOSIS],
        "code": concept(coding(CIM10, code), text=text),
        **record.of_patient(),
        "encounter": encounter,
        "onsetDateTime": start.isoformat(),
        **({"abatementDateTime": end.isoformat()} if end < record.until else {}),
        "recordedDate": start.isoformat(),
    })  # fmt: skip


def _add_disease(record: Record, row: JsonObject) -> None:
    onset = _draw_onset(record)
    day = max(onset, record.start)
    body = {
        "meta": CONDITION_META,
        "text": narrate(f"{row['text']}, affection active depuis le {write_day(onset)}."),
        "clinicalStatus": ACTIVE,
        "verificationStatus": CONFIRMED,
        "category": [_PROBLEM],
        "code": concept(coding(CIM10, row["code"]), text=row["text"]),
        **record.of_patient(),
        "onsetDateTime": onset.isoformat()[:7],
        **_recorded(record, day),
    }
    disease = Disease(row, record.add("Condition", body), onset)
    record.diseases.append(disease)
    for share, product in row["treatments"]:
        if happens(record.chance, share):
            _add_treatment(record, disease, product)


def _add_treatment(record: Record, disease: Disease, product: JsonObject) -> None:
    reference = record.add("MedicationStatement", {
        "meta": _STATEMENT_META,
        "text": narrate(f"{product['text']} : {product['dosage']}."),
        "status": "active",
        "medicationCodeableConcept": medicine(product["atc"], product["name"], product["text"]),
        **record.of_patient(),
        "effectivePeriod": {"start": disease.onset.isoformat()[:7]},
        "dateAsserted": record.until.isoformat(),
        "informationSource": record.physician.reference,
        "reasonReference": [disease.reference],
        "dosage": [build_dosage(product)],
    })  # fmt: skip
    record.treatments.append({"product": product, "reference": reference, "reason": disease.reference})


def build_dosage(product: JsonObject) -> JsonObject:
    """Builds how a product is taken."""
    inhaled = product["unit"] in {"bouffée", "inhalation"}
    return {
        "text": product["dosage"],
        "timing": {"repeat": {"frequency": product["frequency"], "period": 1, "periodUnit": "d"}},
        **({} if inhaled else {"route": _ORAL}),
        "doseAndRate": [{"doseQuantity": {"value": 1, "unit": product["unit"]}}],
    }


def _add_allergy(record: Record, row: JsonObject) -> None:
    code, display, text = row["manifestation"]
    onset = _draw_onset(record)
    reference = record.add("AllergyIntolerance", {
        "meta": _ALLERGY_META,
        "text": narrate(f"{row['text']} : {text}, {write_day(onset)}."),
        "clinicalStatus": _ALLERGY_ACTIVE,
        "verificationStatus": _ALLERGY_CONFIRMED,
        "type": "allergy",
        "category": [row["category"]],
        "criticality": row["criticality"],
        "code": concept(coding(SNOMED, row["sct"], row["display"]), text=row["text"]),
        "patient": record.subject,
        "onsetDateTime": onset.isoformat()[:7],
        **_recorded(record, max(onset, record.start)),
        "reaction": [{
            "manifestation": [concept(coding(SNOMED, code, display), text=text)],
            "severity": row["severity"],
        }],
    })  # fmt: skip
    record.allergies.append({"reference": reference, "text": row["text"]})


def _recorded(record: Record, day: date) -> JsonObject:
    return {"recordedDate": day.isoformat(), "recorder": record.physician.reference}


def _draw_onset(record: Record) -> date:
    """Draws when something began: up to fifteen years ago, and not before birth."""
    life = (record.until - record.person.birth).days
    return record.until - timedelta(days=draw_between(record.chance, 0, min(life, _LONGEST * YEAR)))
