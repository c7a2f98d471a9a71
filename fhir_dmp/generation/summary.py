"""The physician's yearly summary (volet de synthèse médicale): a Composition, a List, and the document that is fed.

https://hl7.org/fhir/R4/composition.html; sections as those of the Loinc codes of the French document.
"""

from __future__ import annotations

from datetime import timedelta

from fhir_dmp.generation.chance import draw_between, happens
from fhir_dmp.generation.codes import LOINC, coding, concept, nos, own_identifier
from fhir_dmp.generation.documents import Filing, add_document
from fhir_dmp.generation.narrative import list_out, narrate
from fhir_dmp.generation.paris import write_day, write_instant
from fhir_dmp.generation.record import YEAR, Record
from fhir_dmp.json_text import JsonObject

_TYPE = concept(coding(LOINC, "60591-5", "Patient summary Document"), text="Synthèse médicale")
_CLASS = [concept(coding(nos("TRE_A03-ClasseDocument"), "11", "Synthèse"))]
_PROBLEMS = concept(coding(LOINC, "11450-4", "Problem list - Reported"))
_ALLERGIES = concept(coding(LOINC, "48765-2", "Allergies and adverse reactions Document"))
_MEDICINES = concept(coding(LOINC, "10160-0", "History of Medication use Narrative"))
_LOWEST_AGE = 75


def add_summary(record: Record) -> None:
    """Adds the summary of some of the chronically ill."""
    if not record.diseases or not happens(record.chance, record.share("practice", "summary")):
        return
    day = max(record.until - timedelta(days=draw_between(record.chance, 0, YEAR)), record.person.birth)
    time, physician = write_instant(day, record.draw_minute()), record.physician
    sections = _build_sections(record)
    title = "Volet de synthèse médicale"
    record.add("Composition", {
        "text": narrate(f"{title} : {record.person.name}, {write_day(day)}, {physician.name}."),
        "identifier": own_identifier("synthese", record.patient_id),
        "status": "final",
        "type": _TYPE,
        "category": _CLASS,
        **record.of_patient(),
        "date": time,
        "author": [physician.reference],
        "title": title,
        "confidentiality": "N",
        "attester": [{"mode": "legal", "time": time, "party": physician.reference}],
        "custodian": physician.structure.reference,
        "section": sections,
    })  # fmt: skip
    _add_list(record, time)
    lines = [text for disease in record.diseases for text in [f"- {disease.row['text']}"]]
    add_document(record, Filing("summary", day, 720, f"{title} du {write_day(day)}", lines, physician))


def add_directives(record: Record) -> None:
    """Adds the advance directives that some of the old have written themselves."""
    is_old = record.person.age >= _LOWEST_AGE
    if is_old and happens(record.chance, record.share("practice", "directives")):
        lines = ["Je ne souhaite pas d'obstination déraisonnable.", "Ma personne de confiance est prévenue."]
        add_document(record, Filing("directives", record.draw_day(), 720, "Directives anticipées", lines))


def _build_sections(record: Record) -> list[JsonObject]:
    problems = [(disease.row["text"], disease.reference) for disease in record.diseases]
    medicines = [(treatment["product"]["text"], treatment["reference"]) for treatment in record.treatments]
    allergies = [(allergy["text"], allergy["reference"]) for allergy in record.allergies]
    rows = (
        ("Pathologies en cours", _PROBLEMS, problems),
        ("Allergies et intolérances", _ALLERGIES, allergies),
        ("Traitements au long cours", _MEDICINES, medicines),
    )
    return [_build_section(title, code, found) for title, code, found in rows if found]


def _build_section(title: str, code: JsonObject, found: list[tuple[str, JsonObject]]) -> JsonObject:
    return {
        "title": title,
        "code": code,
        "text": list_out(text for text, _ in found),
        "mode": "snapshot",
        "entry": [reference for _, reference in found],
    }


def _add_list(record: Record, time: str) -> None:
    """Adds the list of treatments, where there are any."""
    if not record.treatments:
        return
    record.add("List", {
        "text": narrate(f"Traitements en cours : {record.person.name}."),
        "identifier": [own_identifier("traitements", record.patient_id)],
        "status": "current",
        "mode": "snapshot",
        "title": "Traitements en cours",
        "code": {**_MEDICINES, "text": "Traitements en cours"},
        **record.of_patient(),
        "date": time,
        "source": record.physician.reference,
        "entry": [{"item": treatment["reference"]} for treatment in record.treatments],
    })  # fmt: skip
