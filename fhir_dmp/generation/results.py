"""Observations and DiagnosticReports: laboratory panels, imaging.

Loinc and UCUM; profiles dmp-observation-laboratory and dmp-diagnostic-report, https://fhir-dmp.fr
"""

from __future__ import annotations

from datetime import date

from fhir_dmp.generation.chance import draw_between, draw_one, happens
from fhir_dmp.generation.codes import (
    CATEGORY_LABORATORY,
    CCAM,
    DMP,
    LOINC,
    SNOMED,
    coding,
    concept,
    hl7,
    own_identifier,
    quantity,
)
from fhir_dmp.generation.documents import Filing, add_document, is_deposited
from fhir_dmp.generation.narrative import narrate
from fhir_dmp.generation.paris import write_day, write_instant
from fhir_dmp.generation.professionals import Professional
from fhir_dmp.generation.record import Record
from fhir_dmp.json_text import JsonObject

_LABORATORY_META = {"profile": [f"{DMP}dmp-observation-laboratory"]}
_REPORT_META = {"profile": [f"{DMP}dmp-diagnostic-report"]}
_LAB = [hl7("v2-0074", "LAB", "Laboratory")]
_RAD = [hl7("v2-0074", "RAD", "Radiology")]
_LAB_REPORT = coding(LOINC, "11502-2", "Laboratory report")
_IMAGING_REPORT = coding(LOINC, "18748-4", "Diagnostic imaging study")
_BLOOD = concept(coding(SNOMED, "119297000", "Blood specimen"), text="Sang veineux")
_LAB_PROCEDURE = concept(coding(SNOMED, "108252007", "Laboratory procedure"), text="Examen de biologie médicale")
_HIGH = [hl7("v3-ObservationInterpretation", "H", "High")]
_LOW = [hl7("v3-ObservationInterpretation", "L", "Low")]
_USUAL = [hl7("v3-ObservationInterpretation", "N", "Normal")]
_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_MAMMOGRAPHY = "QEQK001"
_SCREENING = range(50, 75)


def add_laboratory_visit(record: Record, day: date) -> None:
    """Adds results of a panel, their report, and its document where it is fed."""
    panel = draw_one(record.chance, _panels(record))
    biologist = record.directory.staff["laboratory"][0]
    minute = draw_between(record.chance, 7 * 60 + 30, 10 * 60)
    specimen = _add_specimen(record, day, minute)
    found = [_add_result(record, code, (day, minute), biologist, specimen)
             for code in record.tables.medicine["panels"][panel]]  # fmt: skip
    lines = [line for _, line in found]
    _add_report(record, biologist, (day, minute + 360), {
        "category": _LAB,
        "code": concept(_LAB_REPORT, text=f"Biologie médicale du {write_day(day)}"),
        "effectiveDateTime": write_instant(day, minute),
        **_add_request(record, day, biologist),
        **({"specimen": [specimen]} if specimen else {}),
        "result": [reference for reference, _ in found],
    })  # fmt: skip
    if is_deposited(record, "laboratory", day):
        title = f"Examens de biologie médicale du {write_day(day)}"
        add_document(record, Filing("laboratory", day, minute + 360, title, lines, biologist))


def add_imaging(record: Record, day: date) -> None:
    """Adds an examination, its images, its report, and the document where it is fed."""
    rows = [row for row in record.tables.medicine["imaging"] if row[0] != _MAMMOGRAPHY or _is_screened(record)]
    code, text, modality, display, conclusion = draw_one(record.chance, rows)
    radiologist, minute = record.directory.staff["imaging"][0], record.draw_minute()
    study = _add_study(record, (day, minute), text, coding(_DICOM, modality, display), radiologist)
    record.add("Procedure", {
        "text": narrate(f"{text}, le {write_day(day)}."),
        "status": "completed",
        "code": concept(coding(CCAM, code), text=text),
        **record.of_patient(),
        "performedDateTime": write_instant(day, minute),
        "performer": [{"actor": radiologist.reference}],
    })  # fmt: skip
    _add_report(record, radiologist, (day, minute + 30), {
        "category": _RAD,
        "code": concept(_IMAGING_REPORT, text=text),
        "effectiveDateTime": write_instant(day, minute),
        "imagingStudy": [study],
        "conclusion": conclusion,
    })  # fmt: skip
    if is_deposited(record, "imaging", day):
        title = f"{text} du {write_day(day)}"
        add_document(record, Filing("imaging", day, minute + 30, title, [conclusion], radiologist))


def _is_screened(record: Record) -> bool:
    return not record.person.is_male and record.person.age in _SCREENING


def _panels(record: Record) -> list[str]:
    """Returns the panels that the patient's conditions ask for, and the general one."""
    return [*(disease.row["panel"] for disease in record.diseases if disease.row["panel"]), ""]


def _add_result(
    record: Record, code: str, time: tuple[date, int], biologist: Professional, specimen: JsonObject | None
) -> tuple[JsonObject, str]:
    """Adds one result, and returns a reference to it and its line in the document."""
    display, text, unit, ucum, decimals, low, high, mean, deviation = record.tables.medicine["results"][code]
    drawn = record.chance.gauss(mean, deviation)
    value = round(max(drawn, mean / 10), decimals) if decimals else round(max(drawn, 1))
    bounds = {name: quantity(bound, unit, ucum) for name, bound in (("low", low), ("high", high)) if bound is not None}
    line = f"{text} : {str(value).replace('.', ',')} {unit}"
    reference = record.add("Observation", {
        "meta": _LABORATORY_META,
        "text": narrate(f"{line}."),
        "status": "final",
        "category": CATEGORY_LABORATORY,
        "code": concept(coding(LOINC, code, display), text=text),
        **record.of_patient(),
        "effectiveDateTime": write_instant(*time),
        "performer": [biologist.structure.reference, biologist.reference],
        "valueQuantity": quantity(value, unit, ucum),
        "interpretation": _interpret(value, low, high),
        **({"specimen": specimen} if specimen else {}),
        "referenceRange": [bounds],
    })  # fmt: skip
    return reference, line


def _interpret(value: float, low: float | None, high: float | None) -> list[JsonObject]:
    if high is not None and value > high:
        return _HIGH
    return _LOW if low is not None and value < low else _USUAL


def _add_specimen(record: Record, day: date, minute: int) -> JsonObject | None:
    if not happens(record.chance, record.share("practice", "specimen")):
        return None
    time = write_instant(day, minute)
    return record.add("Specimen", {
        "text": narrate(f"Sang veineux prélevé le {write_day(day)}."),
        "status": "available",
        "type": _BLOOD,
        **record.of_patient(),
        "receivedTime": time,
        "collection": {"collectedDateTime": time},
    })  # fmt: skip


def _add_request(record: Record, day: date, biologist: Professional) -> JsonObject:
    """Adds the physician's request, where it is at hand, and returns the element that names it."""
    if not happens(record.chance, record.share("practice", "requested")):
        return {}
    request = record.add("ServiceRequest", {
        "text": narrate(f"Demande d'examens de biologie médicale, {record.physician.name}."),
        "status": "completed",
        "intent": "order",
        "category": [_LAB_PROCEDURE],
        "code": concept(text="Examens de biologie médicale"),
        **record.of_patient(),
        "authoredOn": day.isoformat(),
        "requester": record.physician.reference,
        "performer": [biologist.structure.reference],
    })  # fmt: skip
    return {"basedOn": [request]}


def _add_report(record: Record, author: Professional, issued: tuple[date, int], body: JsonObject) -> None:
    text = body["code"]["text"]
    report_id = record.new_id()
    record.add("DiagnosticReport", {
        "meta": _REPORT_META,
        "text": narrate(f"{text}, {author.name}.", *([body["conclusion"]] if "conclusion" in body else [])),
        "identifier": [own_identifier("compte-rendu", report_id)],
        "status": "final",
        **body,
        **record.of_patient(),
        "issued": write_instant(*issued),
        "performer": [author.structure.reference, author.author],
        "resultsInterpreter": [author.author],
    }, report_id)  # fmt: skip


def _add_study(
    record: Record, time: tuple[date, int], text: str, modality: JsonObject, radiologist: Professional
) -> JsonObject:
    study_id = record.new_id()
    number = f"2.25.{int(study_id.replace('-', ''), 16)}"
    return record.add("ImagingStudy", {
        "text": narrate(f"{text}, le {write_day(time[0])}."),
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{number}"}],
        "status": "available",
        "modality": [modality],
        **record.of_patient(),
        "started": write_instant(*time),
        "interpreter": [radiologist.reference],
        "numberOfSeries": 1,
        "numberOfInstances": 2,
        "description": text,
    }, study_id)  # fmt: skip
