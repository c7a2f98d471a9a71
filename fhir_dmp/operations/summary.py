"""$summary: a patient's record as an International Patient Summary. http://hl7.org/fhir/uv/ips/OperationDefinition/summary.

Made of what the requester sees. Where that is nothing, a section says that there is no information, never that nothing
is known: what is hidden and what is absent are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed
from fhir_dmp.interactions.redaction import redact
from fhir_dmp.interactions.request import Request, Result, Status
from fhir_dmp.json_text import JsonObject, parse_json_object, write_json
from fhir_dmp.operations.parameters import Inputs, read_inputs
from fhir_dmp.operations.patient_record import of_records, open_record, read_all, read_supporting
from fhir_dmp.operations.record_document import LOINC, RecordDocument, begin_document
from fhir_dmp.operations.stored import read_version
from fhir_dmp.operations.summary_sections import SECTIONS, TYPES, Part, Section, parts_of
from fhir_dmp.operations.summary_text import write_text
from fhir_dmp.outcome import Category, error
from fhir_dmp.resource import Version
from fhir_dmp.search.query import AboutPatient, Sort

DEFINITION = "http://hl7.org/fhir/uv/ips/OperationDefinition/summary"
PROFILE = "http://hl7.org/fhir/uv/ips/StructureDefinition/"
MOST_RESOURCES = 5_000
_ABSENT = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
_STATUS = "http://terminology.hl7.org/CodeSystem/"
_NEWEST_FIRST = (Sort("_lastUpdated", "last-updated", descending=True),)


async def summary(context: Context, request: Request) -> Result:
    """Returns the document; not found where the patient is not here, or hidden."""
    check_exposed(context, request, "operation")
    _check_profile(read_inputs(context, request, ("profile",)))
    stored = await read_version(context, request)
    restriction = await open_record(context, request, [request.resource_id])
    about = AboutPatient((request.resource_id,))
    read = await read_all(context, restriction, TYPES, about, MOST_RESOURCES, sort=_NEWEST_FIRST)
    patient, *shown = await redact(context, request, [stored, *read])
    _check_patient(parse_json_object(patient.content or b"{}"))
    parts = [Part(version, parse_json_object(version.content or b"{}")) for version in shown]
    made = begin_document(context, request)
    chosen = [(section, parts_of(section, parts)) for section in SECTIONS]
    entries = _entries(chosen)
    supporting = await read_supporting(context, restriction, [patient, *entries])
    told = [patient, *entries, *supporting]
    told_of = [part.version for _, found in chosen for part in found]
    body = write_json(_build_bundle(made, chosen, told, context.new_id()))
    return Result(Status.OK, body=body, versions=of_records(dict.fromkeys([patient, *told_of])))


def _check_profile(inputs: Inputs) -> None:
    wanted = inputs.text("profile").partition("|")[0]
    if wanted not in {"", f"{PROFILE}Bundle-uv-ips"}:
        message = f"The only profile of a summary here is {PROFILE}Bundle-uv-ips."
        raise error(Category.INVALID_PARAMETER, "parameter-value", message, "http.profile")


def _check_patient(patient: JsonObject) -> None:
    for name in ("name", "birthDate"):
        if name not in patient:
            message = f"A summary needs the patient's {name}."
            raise error(Category.UNPROCESSABLE, "summary-incomplete", message, f"Patient.{name}")


def _entries(chosen: Sequence[tuple[Section, Sequence[Part]]]) -> list[Version]:
    """The resources that the sections refer to, each once."""
    found = [part.version for section, parts in chosen for part in parts if section.fits(part.resource)]
    return list({version.identity: version for version in found}.values())


def _build_bundle(
    made: RecordDocument, chosen: Sequence[tuple[Section, Sequence[Part]]], told: Sequence[Version], number: str
) -> JsonObject:
    absent = [section for section, parts in chosen if section.absent and not _fitting(section, parts)]
    others = {section.absent: _build_absent(made, section) for section in absent}
    return made.build_bundle(number, _build_composition(made, chosen), told, others, (f"{PROFILE}Bundle-uv-ips",))


def _build_composition(made: RecordDocument, chosen: Sequence[tuple[Section, Sequence[Part]]]) -> JsonObject:
    composition = made.build_composition("60591-5", "Patient summary Document", "Synthèse médicale du patient")
    profile = {"profile": [f"{PROFILE}Composition-uv-ips"]}
    return {**composition, "meta": profile, "section": list(_build_sections(made, chosen))}


def _build_sections(made: RecordDocument, chosen: Sequence[tuple[Section, Sequence[Part]]]) -> Iterator[JsonObject]:
    """What does not fit the guide's profile of it is in the text alone; an optional section needs an entry."""
    for section, parts in chosen:
        entries = [f"{made.base}/{part.version.identity}" for part in _fitting(section, parts)]
        if not entries and not section.absent:
            continue
        yield {
            "title": section.title,
            "code": {"coding": [{"system": LOINC, "code": section.code, "display": section.display}]},
            "text": write_text(part.resource for part in parts),
            "entry": [{"reference": url} for url in entries or [made.url(section.absent)]],
        }


def _fitting(section: Section, parts: Sequence[Part]) -> list[Part]:
    return [part for part in parts if section.fits(part.resource)]


def _build_absent(made: RecordDocument, section: Section) -> JsonObject:
    """The resource that says that there is no information."""
    code = {"coding": [{"system": _ABSENT, "code": section.absent}]}
    subject = {"reference": made.patient}
    match section.types[0]:
        case "AllergyIntolerance":
            return {
                "resourceType": "AllergyIntolerance",
                "clinicalStatus": _status("allergyintolerance-clinical"),
                "code": code,
                "patient": subject,
            }
        case "Condition":
            return {
                "resourceType": "Condition",
                "clinicalStatus": _status("condition-clinical"),
                "code": code,
                "subject": subject,
            }
    unknown = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "not-applicable"}
    return {
        "resourceType": "MedicationStatement",
        "status": "unknown",
        "medicationCodeableConcept": code,
        "subject": subject,
        "_effectiveDateTime": {"extension": [unknown]},
    }


def _status(system: str) -> JsonObject:
    return {"coding": [{"system": f"{_STATUS}{system}", "code": "active"}]}
