"""A patient hides a document, blocks a doctor, reads the log and closes the record (reference/articles.md, 1 and 2)."""

from __future__ import annotations

from tests.journeys.cast import deposit, done, open_record
from tests.journeys.story import RPPS, Story, faults, parameters


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
