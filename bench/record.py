"""The load's data: Observations of about 2 kB, as a laboratory or a connected scale would send them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from fhir_dmp.json_text import FhirDecimal, write_json

PATIENTS = 100
CODES = {
    "8867-4": ("Fréquence cardiaque", "/min"),
    "8310-5": ("Température corporelle", "Cel"),
    "29463-7": ("Poids corporel", "kg"),
    "2339-0": ("Glucose [Masse/Volume] Sang", "mg/dL"),
}
OBSERVATIONS = 10_000
_FIRST = datetime(2024, 1, 1, 8, tzinfo=UTC)
_LOINC = "http://loinc.org"
_CODES = list(CODES)


def patient_of(number: int) -> str:
    """The reference to the patient of an Observation."""
    return f"Patient/p-{number % PATIENTS}"


def code_of(number: int) -> str:
    """The LOINC code of an Observation; each patient has as many of each."""
    return _CODES[number // PATIENTS % len(_CODES)]


def build_observation(number: int) -> dict[str, Any]:
    """Builds the Observation of a number; it has no id yet."""
    code = code_of(number)
    name, unit = CODES[code]
    at = (_FIRST + timedelta(minutes=37 * number)).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    value = FhirDecimal(f"{60 + number % 40}.{number % 10}0")
    return {
        "resourceType": "Observation",
        "meta": {"profile": ["http://hl7.org/fhir/StructureDefinition/vitalsigns"]},
        "text": {"status": "generated", "div": _narrative(name, value.literal, unit, at)},
        "identifier": [{"system": "https://laboratoire.example/observations", "value": f"OBS-{number:08d}"}],
        "status": "final",
        "category": [_concept("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs", "Signes")],
        "code": {**_concept(_LOINC, code, name), "text": name},
        "subject": {"reference": patient_of(number), "display": "DURAND Camille"},
        "encounter": {"reference": f"Encounter/e-{number % 997}"},
        "effectiveDateTime": at,
        "issued": at,
        "performer": [{"reference": f"Practitioner/m-{number % 53}", "display": "Dr Dominique MARTIN"}],
        "valueQuantity": {
            "value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit,
        },
        "interpretation": [
            _concept("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "N", "Normal")
        ],
        "note": [{"text": "Mesure faite au repos, assis, après cinq minutes ; appareil étalonné le mois précédent."}],
        "method": _concept("http://snomed.info/sct", "258104002", "Mesuré"),
        "device": {"display": "Moniteur multiparamétrique, numéro de série 4711"},
        "referenceRange": [{"low": _quantity("50.0", unit), "high": _quantity("110.0", unit), "text": "Adulte"}],
    }  # fmt: skip


def build_transaction(numbers: range, ids: str = "") -> bytes:
    """Builds the transaction that creates Observations; under chosen ids, where they have a prefix."""
    entries = [_entry(number, f"{ids}{number}" if ids else "") for number in numbers]
    return write_json({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def _entry(number: int, resource_id: str) -> dict[str, Any]:
    resource = build_observation(number)
    if not resource_id:
        return {"resource": resource, "request": {"method": "POST", "url": "Observation"}}
    url = f"Observation/{resource_id}"
    return {"resource": {**resource, "id": resource_id}, "request": {"method": "PUT", "url": url}}


def _concept(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}]}


def _quantity(value: str, unit: str) -> dict[str, Any]:
    return {"value": FhirDecimal(value), "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}


def _narrative(name: str, value: str, unit: str, at: str) -> str:
    rows = "".join(
        f"<tr><td>{label}</td><td>{text}</td></tr>"
        for label, text in (("Examen", name), ("Valeur", f"{value} {unit}"), ("Date", at), ("Statut", "final"))
    )
    return f'<div xmlns="http://www.w3.org/1999/xhtml"><p><b>{name}</b></p><table>{rows}</table></div>'
