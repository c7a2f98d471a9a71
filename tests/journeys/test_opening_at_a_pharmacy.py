"""Haute-Garonne, 2018: pharmacies open records, a hundred a day (reference/articles.md, 3 and 4)."""

from __future__ import annotations

import asyncio
from datetime import datetime
from zoneinfo import ZoneInfo

from tests.journeys.story import Story, parameters, reference_of, told


async def test_a_pharmacist_opens_a_record_and_the_patient_has_it(story: Story) -> None:
    pharmacist, physician, identity = story.pharmacist(), story.physician(), story.new_identity()
    asked = parameters(patient=identity, consent=True, authorized=pharmacist.by_number)

    answer = await pharmacist.post("Patient/$dmp-open", asked)
    assert answer.status_code == 200, answer.text
    patient = story.patient(reference_of(answer))
    assert told(answer)["status"] == "open"

    # the record is the patient's: his identity, the computed number of 2010 too, and the consent he gave
    record = await patient.sees(f"Patient/{patient.id}")
    assert record["active"] is True
    assert [row["type"]["coding"][0]["code"] for row in record["identifier"]] == ["INS-NIR-TEST", "INS-C"]
    (consent,) = await patient.finds(f"Consent?patient={patient.id}")
    assert consent["provision"]["actor"][0]["reference"]["identifier"]["value"] == pharmacist.rpps
    (provenance,) = await patient.finds(f"Provenance?patient={patient.id}")
    assert provenance["agent"][0]["who"]["identifier"]["value"] == pharmacist.rpps
    assert provenance["reason"][0]["coding"][0]["code"] == "pharmacy"

    # whom he let in reads it, nobody else does; it is found by its numbers
    computed = record["identifier"][1]
    found = await pharmacist.finds(f"Patient?identifier={computed['system']}|{computed['value']}")
    assert [row["id"] for row in found] == [patient.id]
    await physician.sees_nothing(f"Patient/{patient.id}")

    # opened once more, by another: the same answer, and nothing is written
    again = await physician.post("Patient/$dmp-open", parameters(patient=identity, consent=True))
    assert again.json() == answer.json()
    assert (await patient.sees(f"Patient/{patient.id}"))["meta"]["versionId"] == "1"
    await physician.sees_nothing(f"Patient/{patient.id}")

    # and he reads in the trace who opened it
    events = await patient.finds(f"AuditEvent?patient={patient.id}&type=rest")
    assert {event["agent"][-1]["who"]["identifier"]["value"] for event in events} >= {pharmacist.rpps}


async def test_each_opening_is_counted_once_and_names_nobody(story: Story) -> None:
    address = [{"use": "home", "city": "Toulouse", "postalCode": "31000", "country": "FR"}]
    month = datetime.fromtimestamp(story.clock.now / 1000, ZoneInfo("Europe/Paris")).strftime("%Y-%m-01")
    cell = {"month": month, "dep": "31", "ch": "pharmacy"}
    asked = parameters(patient=story.new_identity(address=address), consent=True)
    before = story.behind.count("opening", **cell)
    for actor in (story.pharmacist(), story.pharmacist(), story.physician()):
        answer = await actor.post("Patient/$dmp-open", asked)
        assert answer.status_code == 200, answer.text
    assert story.behind.count("opening", **cell) == before + 1
    refused = parameters(patient=story.new_identity(address=address), consent=False)
    assert (await story.pharmacist().post("Patient/$dmp-open", refused)).status_code == 422
    assert story.behind.count("opening", **cell) == before + 1
    kept = list(story.behind.database["opening"].find())
    assert {tuple(row) for row in kept} == {("_id", "month", "dep", "ch")}
    assert reference_of(answer) not in str(kept)


async def test_without_the_patients_agreement_nothing_is_opened(story: Story) -> None:
    pharmacist, before = story.pharmacist(), story.behind.count(ty="Patient")
    answer = await pharmacist.post("Patient/$dmp-open", parameters(patient=story.new_identity(), consent=False))
    assert answer.status_code == 422
    assert story.behind.count(ty="Patient") == before


async def test_two_openings_at_once_make_one_record(story: Story) -> None:
    identity, before = story.new_identity(), story.behind.count(ty="Patient")
    asked = parameters(patient=identity, consent=True)
    actors = [story.pharmacist(), story.physician(), story.fund(), story.pharmacist()]
    answers = await asyncio.gather(*(actor.post("Patient/$dmp-open", asked) for actor in actors))
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    assert len({reference_of(answer) for answer in answers}) == 1
    assert story.behind.count(ty="Patient") == before + 1
