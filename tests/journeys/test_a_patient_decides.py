"""A patient hides a document, blocks a doctor, reads the log and closes the record (reference/articles.md, 1 and 2)."""

from __future__ import annotations

from typing import Any

from fhir_dmp.instant import write_instant
from tests.journeys.story import RPPS, Actor, Story, faults, parameters, reference_of, told

Json = Any


async def open_record(story: Story) -> Actor:
    """A patient with an open record that nobody else reads."""
    asked = parameters(consent=True, patient=story.new_identity())
    answer = await story.fund().post("Patient/$dmp-open", asked)
    assert answer.status_code == 200, answer.text
    return story.patient(reference_of(answer))


async def deposit(story: Story, actor: Actor, patient: Actor, *labels: str) -> str:
    """The reference to a report that a professional deposits in a record now."""
    system = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"
    report: Json = {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": f"Patient/{patient.id}"},
        "type": {"coding": [{"system": "http://loinc.org", "code": "11488-4"}]},
        "date": write_instant(story.clock.now),
        "author": [actor.by_number],
        "content": [{"attachment": {"contentType": "text/plain", "data": "VG91cyB2YSBiaWVuLg=="}}],
    }
    if labels:
        report["securityLabel"] = [{"coding": [{"system": system, "code": label}]} for label in labels]
    answer = await actor.post("DocumentReference", report)
    assert answer.status_code == 201, answer.text
    return f"DocumentReference/{answer.json()['id']}"


async def done(actor: Actor, url: str, **given: Json) -> dict[str, Json]:
    """What an act that succeeds answers."""
    answer = await actor.post(url, parameters(**given))
    assert answer.status_code == 200, answer.text
    return told(answer)


async def test_a_patient_hides_a_document_blocks_a_doctor_reads_the_log_and_closes_the_record(story: Story) -> None:
    patient, physician, nurse = await open_record(story), story.physician(), story.nurse()
    here = f"Patient/{patient.id}"
    document = await deposit(story, nurse, patient)
    await physician.sees_nothing(document)
    for professional in (physician, nurse):
        await done(patient, f"{here}/$dmp-authorize", professional=professional.by_number)
    await physician.sees(document)

    # hidden: the physician finds nothing any more, the author and the patient do
    await done(patient, f"{document}/$dmp-mask")
    await physician.sees_nothing(document)
    assert await physician.finds(f"DocumentReference?patient={patient.id}") == []
    await nurse.sees(document)
    await patient.sees(document)

    # blocked: nothing at all, not even in an emergency
    await done(patient, f"{here}/$dmp-block", professional=physician.by_number)
    await physician.sees_nothing(here)
    await story.physician(purposes=("BTG",), reason="Inconscient").sees_nothing(here)

    # unblocked he still reads nothing: that takes a new consent
    await done(patient, f"{here}/$dmp-unblock", professional=physician.by_number)
    await physician.sees_nothing(here)

    # the log says it in French
    log = await patient.sees(f"{here}/$dmp-access-log?professional={RPPS}|{physician.rpps}")
    lines = [row["part"][0]["valueString"] for row in log["parameter"] if row["name"] == "access"]
    assert any("a consulté 1 document." in line and physician.rpps in line for line in lines), lines
    assert any("Accès refusé" in line for line in lines), lines

    await done(patient, f"{here}/$dmp-close")
    await nurse.sees_nothing(document)
    refused = await patient.post(f"{here}/$dmp-authorize", parameters(professional=nurse.by_number))
    assert (refused.status_code, faults(refused)) == (409, ["record-closed"])
    await patient.sees(f"{here}/$dmp-access-log")
