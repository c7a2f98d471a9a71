"""Observations of a consultation: vital signs as FR Core describes them, and whether an adult smokes.

https://hl7.fr/ig/fhir/core, https://hl7.org/fhir/R4/observation-vitalsigns.html
"""

from __future__ import annotations

from datetime import date

from fhir_dmp.generation.chance import happens
from fhir_dmp.generation.codes import CATEGORY_SOCIAL, CATEGORY_VITAL, FR_CORE, LOINC, coding, concept, quantity
from fhir_dmp.generation.narrative import narrate
from fhir_dmp.generation.record import YEAR, Record
from fhir_dmp.json_text import JsonObject

_SYSTOLIC = concept(coding(LOINC, "8480-6", "Systolic blood pressure"), text="Pression systolique")
_DIASTOLIC = concept(coding(LOINC, "8462-4", "Diastolic blood pressure"), text="Pression diastolique")
_PRESSURE = concept(coding(LOINC, "85354-9", "Blood pressure panel with all children optional"),
                    text="Pression artérielle")  # fmt: skip
_SMOKING = concept(coding(LOINC, "72166-2", "Tobacco smoking status"), text="Statut tabagique")
_HEART_RATE = ("heartrate", "8867-4", "Heart rate", "Fréquence cardiaque")
_WEIGHT = ("body-weight", "29463-7", "Body weight", "Poids")
_HEIGHT = ("body-height", "8302-2", "Body height", "Taille")
_TALLEST = 172.0
_MEASURED = 15
"""The age from which blood pressure is taken."""


def add_vital_signs(record: Record, day: date, encounter: JsonObject) -> None:
    """Adds what was measured at a consultation."""
    person = record.person
    if person.age >= _MEASURED and happens(record.chance, record.share("practice", "blood_pressure")):
        _add_pressure(record, day, encounter)
        rate = round(record.chance.gauss(72, 9))
        _add_vital(record, day, encounter, _HEART_RATE, quantity(rate, "/min", "/min"))
    if happens(record.chance, record.share("practice", "weight")):
        kilograms = _draw_weight(record, day)
        _add_vital(record, day, encounter, _WEIGHT, quantity(kilograms, "kg", "kg"))
        if person.is_minor:
            _add_vital(record, day, encounter, _HEIGHT, quantity(_draw_height(record, day), "cm", "cm"))


def add_smoking_status(record: Record) -> None:
    """Adds whether an adult smokes, where a physician has asked."""
    if record.person.is_minor or not happens(record.chance, record.share("practice", "smoking_recorded")):
        return
    rows = record.tables.care["smoking"]
    code, display, text, _ = record.chance.choices(rows, [row[3] for row in rows])[0]
    record.add("Observation", {
        "text": narrate(f"Statut tabagique : {text}."),
        "status": "final",
        "category": CATEGORY_SOCIAL,
        "code": _SMOKING,
        **record.of_patient(),
        "effectiveDateTime": record.draw_day().isoformat(),
        "performer": [record.physician.reference],
        "valueCodeableConcept": concept(coding(LOINC, code, display), text=text),
    })  # fmt: skip


def _add_pressure(record: Record, day: date, encounter: JsonObject) -> None:
    systolic = round(record.chance.gauss(112 + record.person.age * 0.35, 12))
    diastolic = min(round(record.chance.gauss(76, 8)), systolic - 15)
    values = ((_SYSTOLIC, systolic), (_DIASTOLIC, diastolic))
    record.add("Observation", {
        "meta": {"profile": [f"{FR_CORE}fr-core-observation-bp"]},
        "text": narrate(f"Pression artérielle : {systolic}/{diastolic} mmHg."),
        "status": "final",
        "category": CATEGORY_VITAL,
        "code": _PRESSURE,
        **record.of_patient(),
        "encounter": encounter,
        "effectiveDateTime": day.isoformat(),
        "performer": [record.physician.reference],
        "component": [{"code": code, "valueQuantity": quantity(value, "mmHg", "mm[Hg]")} for code, value in values],
    })  # fmt: skip


def _add_vital(
    record: Record, day: date, encounter: JsonObject, row: tuple[str, str, str, str], value: JsonObject
) -> None:
    profile, code, display, text = row
    record.add("Observation", {
        "meta": {"profile": [f"{FR_CORE}fr-core-observation-{profile}"]},
        "text": narrate(f"{text} : {str(value['value']).replace('.', ',')} {value['unit']}."),
        "status": "final",
        "category": CATEGORY_VITAL,
        "code": concept(coding(LOINC, code, display), text=text),
        **record.of_patient(),
        "encounter": encounter,
        "effectiveDateTime": day.isoformat(),
        "performer": [record.physician.reference],
        "valueQuantity": value,
    })  # fmt: skip


def _draw_weight(record: Record, day: date) -> float:
    """Draws a weight in kilograms; children grow to that of adults."""
    years = (day - record.person.birth).days / YEAR
    grown = (80.0 if record.person.is_male else 67.0) * min((years + 1.5) / 19.5, 1)
    return round(max(record.chance.gauss(grown, grown * 0.12), 2.5), 1)


def _draw_height(record: Record, day: date) -> float:
    """Draws the height of a child in centimetres: fast in the first two years, then six a year."""
    years = (day - record.person.birth).days / YEAR
    usual = 50 + 25 * min(years, 1) + 12 * min(max(years - 1, 0), 1) + 6.2 * max(years - 2, 0)
    return round(record.chance.gauss(1, 0.04) * min(usual, _TALLEST))
