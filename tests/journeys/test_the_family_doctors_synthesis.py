"""The family doctor reads the whole record at once and writes its synthesis (reference/articles.md, 2 and 3)."""

from __future__ import annotations

from typing import Any

from tests.journeys.cast import CONFIDENTIALITY, done, open_record
from tests.journeys.feeding import deposited, encode, replacing, report
from tests.journeys.story import RPPS, Actor, Story

Json = Any
HL7 = "http://terminology.hl7.org/CodeSystem/"
OURS = "https://fhir-dmp.fr/StructureDefinition/dmp-"
SYNTHESIS = {"type": {"coding": [{"system": "http://loinc.org", "code": "60591-5"}]}}
SYNTHESIS_CLASS = "https://mos.esante.gouv.fr/NOS/TRE_A03-ClasseDocument/FHIR/TRE-A03-ClasseDocument"


def concept(system: str, code: str, text: str = "") -> Json:
    return {"coding": [{"system": system, "code": code}]} | ({"text": text} if text else {})


async def see_a_doctor(doctor: Actor, patient: Actor) -> None:
    """What the doctor notes at a consultation: a problem, an allergy, a treatment and a result."""
    about = {"reference": f"Patient/{patient.id}"}
    by = {"identifier": {"system": RPPS, "value": doctor.rpps}, "display": "Dr Petit"}
    notes: list[Json] = [
        {"resourceType": "Condition", "subject": about, "recorder": by, "recordedDate": "2026-01-01",
         "clinicalStatus": concept(f"{HL7}condition-clinical", "active"),
         "verificationStatus": concept(f"{HL7}condition-ver-status", "confirmed"),
         "category": [concept(f"{HL7}condition-category", "problem-list-item")],
         "code": concept("https://smt.esante.gouv.fr/terminologie-cim-10", "E11.9", "Diabète de type 2")},
        {"resourceType": "AllergyIntolerance", "patient": about, "recorder": by, "recordedDate": "2026-01-01",
         "meta": {"profile": [f"{OURS}allergy-intolerance"]},
         "clinicalStatus": concept(f"{HL7}allergyintolerance-clinical", "active"),
         "verificationStatus": concept(f"{HL7}allergyintolerance-verification", "confirmed"),
         "code": concept("http://snomed.info/sct", "91936005", "Allergie à la pénicilline")},
        {"resourceType": "MedicationStatement", "status": "active", "subject": about, "informationSource": by,
         "meta": {"profile": [f"{OURS}medication-statement"]}, "effectivePeriod": {"start": "2025-11-03"},
         "medicationCodeableConcept": concept("http://www.whocc.no/atc", "A10BA02", "Metformine 850 mg")},
        {"resourceType": "Observation", "status": "final", "subject": about, "performer": [by],
         "category": [concept(f"{HL7}observation-category", "laboratory")], "effectiveDateTime": "2025-12-18",
         "code": concept("http://loinc.org", "4548-4", "Hémoglobine A1c"),
         "valueQuantity": {"value": 6.9, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"}},
    ]  # fmt: skip
    for note in notes:
        answer = await doctor.post(note["resourceType"], note)
        assert answer.status_code == 201, answer.text


def sections(bundle: Json) -> dict[str, list[str]]:
    """What each section says of its entries, and those of the documents by class."""
    top = bundle["entry"][0]["resource"]["section"]
    rows = [row for section in top for row in (section, *section.get("section", ()))]
    return {row["title"]: [entry.get("display", "") for entry in row.get("entry", ())] for row in rows}


def synthesis(story: Story, doctor: Actor, patient: Actor, name: str, lines: list[str], **changed: Json) -> Json:
    """The volet de synthèse médicale as a document: type 60591-5, class 11."""
    made = report(story, patient, name, **SYNTHESIS, **changed)
    made["category"] = [concept(SYNTHESIS_CLASS, "11")]
    made["author"] = [{**doctor.by_number, "display": "Dr Petit"}]
    made["securityLabel"] = [concept(CONFIDENTIALITY, "N")]
    made["content"] = [{"attachment": {"contentType": "text/plain", "data": encode("\n".join(lines))}}]
    return made


async def test_the_family_doctor_reads_the_record_and_writes_its_synthesis(story: Story) -> None:
    patient, doctor, nurse = await open_record(story), story.physician(), story.nurse()
    here = f"Patient/{patient.id}"
    await done(patient, f"{here}/$dmp-attending", professional=doctor.by_number)
    await done(patient, f"{here}/$dmp-authorize", professional=nurse.by_number)
    await deposited(story.hospital(), report(story, patient, "stay"))
    secret = await deposited(story.hospital(), report(story, patient, "secret"))
    await done(patient, f"{secret}/$dmp-mask")
    await see_a_doctor(doctor, patient)

    # one call tells him the record, each item with who wrote it
    seen = sections(await doctor.sees(f"{here}/$dmp-history"))
    assert seen["Problèmes de santé"] == ["Diabète de type 2, 2026-01-01, Dr Petit"]
    assert seen["Allergies et intolérances"] == ["Allergie à la pénicilline, 2026-01-01, Dr Petit"]
    assert seen["Traitements"] == ["Metformine 850 mg, 2025-11-03, Dr Petit"]
    assert seen["Résultats d'examens"] == ["Hémoglobine A1c, 6.9 %, 2025-12-18, Dr Petit"]
    assert len(seen["Compte rendu"]) == 2

    # the nurse is told as much as she may see: the médecin traitant sees what is masked, she does not
    told = sections(await nurse.sees(f"{here}/$dmp-history"))
    assert len(told["Compte rendu"]) == 1
    assert len(sections(await patient.sees(f"{here}/$dmp-history"))["Compte rendu"]) == 2

    # from the summary, which has codes, he makes the volet de synthèse médicale
    summary = await doctor.sees(f"{here}/$summary")
    coded = [row["resource"]["resourceType"] for row in summary["entry"]]
    assert {"Condition", "AllergyIntolerance", "MedicationStatement", "Observation"} <= set(coded)
    lines = [line for title, rows in seen.items() if title != "Compte rendu" for line in rows]
    first = await deposited(doctor, synthesis(story, doctor, patient, "vsm-1", lines))
    (line,) = sections(await patient.sees(f"{here}/$dmp-history"))["Synthèse"]
    assert line.endswith("Dr Petit")

    # the next day another takes its place: the view has the current one alone
    story.clock.now += 24 * 3_600_000
    second = synthesis(story, doctor, patient, "vsm-2", [*lines, "Contrôle dans trois mois"], **replacing(first))
    await deposited(doctor, second)
    assert len(sections(await nurse.sees(f"{here}/$dmp-history"))["Synthèse"]) == 1
    assert (await patient.sees(first))["status"] == "superseded"

    # and the patient finds in his log who looked at all of it
    log = await patient.sees(f"{here}/$dmp-access-log")
    assert any("$dmp-history" in str(row) for row in log["parameter"]), log
