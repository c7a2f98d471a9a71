"""Encounters: consultations, visits to the emergency department, stays in hospital, and what each leaves behind.

fr-core-encounter, https://hl7.fr/ig/fhir/core
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from fhir_dmp.generation.chance import draw_one, happens
from fhir_dmp.generation.codes import (
    CCAM,
    FR_CORE,
    FR_CORE_CODES,
    HL7,
    coding,
    concept,
    medicine,
    own_identifier,
    quantity,
)
from fhir_dmp.generation.conditions import add_diagnosis
from fhir_dmp.generation.documents import Filing, add_document, is_deposited
from fhir_dmp.generation.narrative import narrate
from fhir_dmp.generation.paris import write_day, write_instant
from fhir_dmp.generation.prescriptions import add_prescription
from fhir_dmp.generation.professionals import Professional
from fhir_dmp.generation.record import Record
from fhir_dmp.generation.reimbursements import add_reimbursement
from fhir_dmp.generation.vital_signs import add_vital_signs
from fhir_dmp.json_text import JsonObject

_META = {"profile": [f"{FR_CORE}fr-core-encounter"]}
_VISIT_NUMBER = concept(coding(f"{FR_CORE_CODES}fr-core-cs-identifier-type", "VN"))
_AMBULATORY = coding(f"{HL7}v3-ActCode", "AMB", "ambulatory")
_INPATIENT = coding(f"{HL7}v3-ActCode", "IMP", "inpatient encounter")
_EMERGENCY = coding(f"{HL7}v3-ActCode", "EMER", "emergency")
_BACK_HOME = concept(coding(f"{HL7}discharge-disposition", "home", "Home"), text="Retour à domicile")
_HOME = {"hospitalization": {"dischargeDisposition": _BACK_HOME}}
_ACUTE_DAYS = 8
_SHORTEST_STAY = 240
"""Minutes."""


@dataclass(frozen=True, slots=True)
class Visit:
    """When and where a patient met whom: `end` is the time it ended."""

    kind: JsonObject
    text: str
    professional: Professional
    start: tuple[date, int]
    end: tuple[date, int]


def add_consultation(record: Record, day: date) -> None:
    """Adds a consultation of the general practitioner."""
    physician, minute = record.physician, record.draw_minute()
    visit = Visit(_AMBULATORY, "Consultation de médecine générale", physician, (day, minute), (day, minute + 20))
    reason = _draw_reason(record) if happens(record.chance, record.share("practice", "acute")) else None
    encounter = _add_encounter(record, visit, str(reason[1]) if reason else "Suivi")
    add_vital_signs(record, day, encounter)
    if reason:
        add_diagnosis(record, reason, day, day + timedelta(days=_ACUTE_DAYS), encounter)
    if happens(record.chance, record.share("practice", "prescribed")):
        add_prescription(record, (day, minute), encounter, reason)
    add_reimbursement(record, "consultation", day, physician)


def add_specialist_visit(record: Record, day: date) -> None:
    """Adds a consultation of the specialist whom a condition calls for, or of one that suits the age."""
    wanted = [disease.row["specialist"] for disease in record.diseases if disease.row["specialist"]]
    usual = ["SM40"] if record.person.is_minor else ["SM04" if record.person.is_male else "SM20"]
    doctor, minute = record.directory.specialist(draw_one(record.chance, wanted or usual)), record.draw_minute()
    visit = Visit(_AMBULATORY, "Consultation spécialisée", doctor, (day, minute), (day, minute + 30))
    encounter = _add_encounter(record, visit, "Avis spécialisé")
    if is_deposited(record, "consultation", day):
        title = f"Consultation du {write_day(day)}"
        lines = ["Examen clinique sans particularité.", "Poursuite du traitement en cours."]
        add_document(record, Filing("consultation", day, minute + 30, title, lines, doctor, encounter))
    add_reimbursement(record, "specialist", day, doctor)


def add_emergency(record: Record, day: date) -> None:
    """Adds a visit to the emergency department."""
    doctor, minute, reason = record.directory.staff["emergency"][0], record.draw_minute(), _draw_reason(record)
    visit = Visit(_EMERGENCY, "Passage aux urgences", doctor, (day, minute), (day, minute + 180))
    encounter = _add_encounter(record, visit, str(reason[1]))
    add_diagnosis(record, reason, day, day + timedelta(days=_ACUTE_DAYS), encounter)
    if is_deposited(record, "emergency", day):
        title = f"Passage aux urgences du {write_day(day)}"
        lines = [f"Motif : {reason[1]}.", "Retour à domicile."]
        filing = Filing("emergency", day, minute + 180, title, lines, doctor, encounter, is_published=True)
        add_document(record, filing)
    add_reimbursement(record, "emergency", day, doctor)


def add_stay(record: Record, day: date) -> None:
    """Adds a stay of one night or more that begins on a day, unless the age has no reason for one."""
    _add_stay(record, day, "stays", "Hospitalisation complète")


def add_day_stay(record: Record, day: date) -> None:
    """Adds a stay without a night, unless the age has no reason for one."""
    _add_stay(record, day, "day_stays", "Hospitalisation sans nuitée")


def _add_stay(record: Record, day: date, table: str, text: str) -> None:
    rows = [row for row in record.tables.medicine[table] if record.of_age(row[5], day) and _suits(record, row)]
    if not rows:
        return
    row = record.chance.choices(rows, [record.of_age(row[5], day) for row in rows])[0]
    end = min(day + timedelta(days=row[4]), record.until)
    doctor, minute = record.directory.staff["hospital"][0], record.draw_minute()
    visit = Visit(_INPATIENT, text, doctor, (day, minute), (end, max(minute + _SHORTEST_STAY, 14 * 60)))
    encounter = _add_encounter(
        record, visit, row[1], stay={**_HOME, "location": [{"location": record.directory.ward_reference}]}
    )
    add_diagnosis(record, row, day, end, encounter)
    if row[2]:
        _add_procedure(record, row, (day, minute), encounter, doctor)
    if happens(record.chance, record.share("practice", "administration")):
        _add_administration(record, (day, minute + 60), encounter, doctor)
    _feed_stay(record, row[1], visit, encounter)
    add_reimbursement(record, "stay", end, doctor)


def _suits(record: Record, row: list[object]) -> bool:
    return not (row[6] and record.person.is_male)


def _draw_reason(record: Record) -> list[str]:
    """Draws what someone of this age goes to the doctor for."""
    rows: list[list[str]] = record.tables.medicine["acute"]
    weights = [record.of_age([float(weight) for weight in row[2]]) for row in rows]
    return record.chance.choices(rows, weights)[0]


def _add_encounter(record: Record, visit: Visit, reason: str, *, stay: JsonObject | None = None) -> JsonObject:
    encounter_id = record.new_id()
    return record.add("Encounter", {
        "meta": _META,
        "text": narrate(f"{visit.text} le {write_day(visit.start[0])}, {visit.professional.name} : {reason}."),
        "identifier": [{"use": "official", "type": _VISIT_NUMBER, **own_identifier("venue", encounter_id)}],
        "status": "finished",
        "class": visit.kind,
        "type": [{"text": visit.text}],
        **record.of_patient(),
        "participant": [{"individual": visit.professional.reference}],
        "period": {"start": write_instant(*visit.start), "end": write_instant(*visit.end)},
        "reasonCode": [{"text": reason}],
        **(stay or {}),
        "serviceProvider": visit.professional.structure.reference,
    }, encounter_id)  # fmt: skip


def _add_procedure(
    record: Record, row: list[str], time: tuple[date, int], encounter: JsonObject, doctor: Professional
) -> None:
    record.add("Procedure", {
        "text": narrate(f"{row[3]}, le {write_day(time[0])}."),
        "status": "completed",
        "code": concept(coding(CCAM, row[2]), text=row[3]),
        **record.of_patient(),
        "encounter": encounter,
        "performedDateTime": write_instant(*time),
        "performer": [{"actor": doctor.reference}],
    })  # fmt: skip


def _add_administration(record: Record, time: tuple[date, int], encounter: JsonObject, doctor: Professional) -> None:
    """Adds what was given against pain, as the hospital's own product."""
    product = "Paracétamol 10 mg/mL, solution pour perfusion"
    drug = record.add("Medication", {
        "text": narrate(f"{product}."),
        "status": "active",
        "code": medicine("N02BE01", "paracetamol", product),
        "form": {"text": "solution pour perfusion"},
    })  # fmt: skip
    record.add("MedicationAdministration", {
        "text": narrate(f"{product}, le {write_day(time[0])}."),
        "status": "completed",
        "medicationReference": drug,
        **record.of_patient(),
        "context": encounter,
        "effectiveDateTime": write_instant(*time),
        "performer": [{"actor": doctor.reference}],
        "dosage": {"text": "1 g en perfusion de 15 minutes", "dose": quantity(1, "g", "g")},
    })  # fmt: skip


def _feed_stay(record: Record, text: str, visit: Visit, encounter: JsonObject) -> None:
    """Adds the report of the stay and the letter to the physician, where they are fed."""
    end, minute = visit.end
    for kind, title in (("stay", "Compte rendu d'hospitalisation"), ("discharge", "Lettre de liaison à la sortie")):
        if is_deposited(record, kind, end):
            lines = [f"Motif : {text}.", f"Du {write_day(visit.start[0])} au {write_day(end)}.", "Évolution favorable."]
            add_document(record, Filing(kind, end, minute, f"{title} du {write_day(end)}", lines,
                                        visit.professional, encounter, is_published=True))  # fmt: skip
