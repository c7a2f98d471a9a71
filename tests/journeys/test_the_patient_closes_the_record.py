"""Normandy, 2019: the record is not compulsory and belongs to the patient, who closes it (reference/articles.md, 2)."""

from __future__ import annotations

from fhir_dmp.access.record import CLOSING
from fhir_dmp.instant import write_instant
from tests.journeys.story import Actor, Story, faults, parameters, reference_of, told

NOTE = "Pharyngite"


async def _open(story: Story, physician: Actor) -> Actor:
    """A record with an observation of the physician whom the patient let in."""
    asked = parameters(patient=story.new_identity(), consent=True, authorized=physician.by_number)
    patient = story.patient(reference_of(await physician.post("Patient/$dmp-open", asked)))
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": NOTE},
        "subject": {"reference": f"Patient/{patient.id}"},
        "performer": [physician.by_number],
    }
    answer = await physician.post("Observation", observation)
    assert answer.status_code == 201, answer.text
    return patient


async def test_closed_it_is_absent_for_all_but_the_patient_and_reopened_it_is_whole(story: Story) -> None:
    physician = story.physician()
    patient = await _open(story, physician)
    assert len(await physician.finds(f"Observation?patient={patient.id}")) == 1

    answer = await patient.post(f"Patient/{patient.id}/$dmp-close", parameters(comment="Je déménage."))
    assert answer.status_code == 200, answer.text
    assert told(answer)["status"] == "closed"
    assert told(answer)["erased"].startswith("2036-")

    await physician.sees_nothing(f"Patient/{patient.id}")
    assert await physician.finds(f"Observation?patient={patient.id}") == []
    closed = await patient.sees(f"Patient/{patient.id}")
    assert closed["active"] is False
    again = await patient.post(f"Patient/{patient.id}/$dmp-close", parameters())
    assert again.json() == answer.json()
    assert (await patient.sees(f"Patient/{patient.id}"))["meta"]["versionId"] == closed["meta"]["versionId"]

    reopened = await patient.post(f"Patient/{patient.id}/$dmp-reopen", parameters())
    assert told(reopened) == {"patient": {"reference": f"Patient/{patient.id}"}, "status": "open"}
    assert len(await physician.finds(f"Observation?patient={patient.id}")) == 1
    acts = await patient.finds(f"Provenance?patient={patient.id}")
    assert sorted(row["activity"]["coding"][0]["code"] for row in acts) == ["close", "open", "reopen"]


async def test_a_death_is_noted_in_a_closed_record_which_nobody_reopens_then(story: Story) -> None:
    patient, fund = await _open(story, story.physician()), story.fund()
    closed = await patient.post(f"Patient/{patient.id}/$dmp-close", parameters(comment="Je déménage."))
    await story.pass_days(30)
    died = parameters(reason="death", deceased=write_instant(story.clock.now)[: len("2026-01-01")])
    for _ in range(2):
        answer = await fund.post(f"Patient/{patient.id}/$dmp-close", died)
        assert answer.json() == closed.json(), "it is kept for ten years after it was closed"
    noted = await story.server().sees(f"Patient/{patient.id}")
    assert noted["deceasedDateTime"] == died["parameter"][1]["valueString"]
    assert [row["url"] for row in noted["extension"]].count(CLOSING) == 1
    assert noted["meta"]["versionId"] == "3"
    reopened = await patient.post(f"Patient/{patient.id}/$dmp-reopen", parameters())
    assert (reopened.status_code, faults(reopened)) == (409, ["record-closed"])


async def test_ten_years_after_closing_nothing_is_left_but_the_traces(story: Story) -> None:
    physician = story.physician()
    patient = await _open(story, physician)
    await patient.post(f"Patient/{patient.id}/$dmp-close", parameters())
    ten_years = 3652
    await story.pass_days(ten_years - 1)
    assert story.behind.count(pt=patient.id, ty="Observation") == 1
    await story.pass_days(2)
    assert story.behind.count(pt=patient.id, ty={"$ne": "AuditEvent"}) == 0
    assert story.behind.count("history", r=f"Patient/{patient.id}") == 0
    events = await story.trace(patient=f"Patient/{patient.id}", action="D")
    assert [event["outcome"] for event in events] == ["0"]


async def test_deletion_on_express_request_comes_within_three_months(story: Story) -> None:
    physician = story.physician()
    patient, other = await _open(story, physician), await _open(story, physician)
    unconfirmed = await patient.post(f"Patient/{patient.id}/$dmp-delete-request", parameters())
    assert unconfirmed.status_code == 422
    for one in (patient, other):
        answer = await one.post(f"Patient/{one.id}/$dmp-delete-request", parameters(confirmed=True))
        assert told(answer)["status"] == "closed", answer.text
    await physician.sees_nothing(f"Patient/{patient.id}")

    # one of them thinks better of it
    await story.pass_days(30)
    reopened = await other.post(f"Patient/{other.id}/$dmp-reopen", parameters())
    assert reopened.status_code == 200, reopened.text
    await story.pass_days(60)
    assert story.behind.count(pt=patient.id, ty={"$ne": "AuditEvent"}) == 0
    assert len(await story.physician().finds(f"Observation?patient={other.id}")) == 1
    late = await patient.post(f"Patient/{patient.id}/$dmp-reopen", parameters())
    assert late.status_code == 404
