"""Immunizations by the calendar of vaccinations: those of childhood, and influenza for the old."""

from __future__ import annotations

from datetime import date

from fhir_dmp.generation.chance import draw_between, draw_one, happens
from fhir_dmp.generation.codes import hl7, medicine
from fhir_dmp.generation.documents import Filing, add_document, is_deposited
from fhir_dmp.generation.narrative import narrate
from fhir_dmp.generation.paris import add_months, age_at, write_day, write_instant
from fhir_dmp.generation.professionals import Professional
from fhir_dmp.generation.record import Record

_INTRAMUSCULAR = hl7("v3-RouteOfAdministration", "IM", "Injection, intramuscular")
_LEFT_ARM = hl7("v3-ActSite", "LA", "left arm")
_PERFORMER = hl7("v2-0443", "AP", "Administering Provider")
_OLD = 65
_INFLUENZA = ("J07BB02", "influenza, inactivated, split virus or surface antigen", "Vaccin grippal inactivé")


def add_vaccinations(record: Record) -> None:
    """Adds the doses that the patient has had by now, and that are recorded."""
    birth = record.person.birth
    for atc, name, text, series, ages, share, first_year in record.tables.medicine["vaccines"]:
        if birth.year < first_year or not happens(record.chance, share):
            continue
        for dose, months in enumerate(ages, start=1):
            day = add_months(birth, months)
            if day < record.until:
                _add_dose(record, (atc, name, text), (series, dose), day, record.physician)
    for year in range(record.start.year, record.until.year + 1):
        _add_influenza(record, year)


def _add_influenza(record: Record, year: int) -> None:
    day = date(year, 10, 15 + draw_between(record.chance, 0, 16))
    is_due = record.start <= day < record.until and age_at(record.person.birth, day) >= _OLD
    if not is_due or not happens(record.chance, record.tables.medicine["influenza"]):
        return
    pharmacist = draw_one(record.chance, record.directory.staff["pharmacy"])
    atc, name, text = _INFLUENZA
    label = f"{text}, campagne {year}-{year + 1}"
    minute = _add_dose(record, (atc, name, label), (f"Grippe {year}-{year + 1}", 1), day, pharmacist)
    if is_deposited(record, "vaccination", day):
        title = f"Note de vaccination du {write_day(day)}"
        add_document(record, Filing("vaccination", day, minute + 10, title, [label], pharmacist))


def _add_dose(
    record: Record, vaccine: tuple[str, str, str], dose: tuple[str, int], day: date, professional: Professional
) -> int:
    """Adds a dose, and returns the minute of the day that it was given at."""
    minute = record.draw_minute()
    series, number = dose
    record.add("Immunization", {
        "text": narrate(f"{vaccine[2]}, dose {number}, le {write_day(day)}."),
        "status": "completed",
        "vaccineCode": medicine(*vaccine),
        "patient": record.subject,
        "occurrenceDateTime": write_instant(day, minute),
        "recorded": day.isoformat(),
        "primarySource": True,
        "lotNumber": f"SYN{day.year % 100}{draw_between(record.chance, 100, 999)}",
        "site": _LEFT_ARM,
        "route": _INTRAMUSCULAR,
        "performer": [{"function": _PERFORMER, "actor": professional.reference}],
        "protocolApplied": [{"series": series, "doseNumberPositiveInt": number}],
    })  # fmt: skip
    return minute
