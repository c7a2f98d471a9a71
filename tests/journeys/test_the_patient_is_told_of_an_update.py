"""What is held back from the patient: he is told of an update within two weeks, unless it was announced (R1111-53)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_dmp.instant import write_instant
from fhir_dmp.search.sensitivity import VISIBILITY
from tests.journeys.cast import deposit, done, open_record
from tests.journeys.story import DAY, Actor, Story, faults

Json = Any


async def _notices(reader: Actor, patient: Actor) -> list[Json]:
    return await reader.finds(f"Communication?patient={patient.id}")


async def test_two_weeks_after_the_deposit_the_patient_is_invited_to_see_a_professional(story: Story) -> None:
    patient, author, stranger = await open_record(story), story.physician("99900000055"), story.physician()
    deposited = story.clock.now
    held = await deposit(story, author, patient, "INVISIBLE_PATIENT")
    await story.pass_days(9)
    assert await _notices(patient, patient) == []
    await story.pass_days(4.9)
    (notice,) = await _notices(patient, patient)
    sent = datetime.fromisoformat(notice["sent"]).timestamp() * 1000
    assert deposited <= sent <= deposited + 14 * DAY
    text = notice["payload"][0]["contentString"]
    opens = datetime.fromtimestamp(deposited / 1000, UTC)
    assert "mis à jour" in text
    assert "médecin traitant" in text
    assert str(opens.year) in text
    assert held.partition("/")[2] not in str(notice), "it says nothing of what is held back"
    assert author.rpps not in str(notice)
    assert notice["recipient"] == [{"reference": f"Patient/{patient.id}"}]
    await patient.sees_nothing(held)
    for other in (author, stranger):
        assert await _notices(other, patient) == []
    await story.pass_days(20)
    await patient.sees(held)
    assert len(await _notices(patient, patient)) == 1, "told once"


async def test_what_was_announced_withdrawn_or_replaced_is_told_to_nobody(story: Story) -> None:
    patient, author = await open_record(story), story.physician("99900000055")
    announced, withdrawn, deleted = [await deposit(story, author, patient, "INVISIBLE_PATIENT") for _ in range(3)]
    await story.pass_days(5)
    await done(author, f"{announced}/$dmp-announce")
    stored = await author.sees(withdrawn)
    assert (await author.put(withdrawn, {**stored, "status": "entered-in-error"})).status_code == 200
    assert (await author.client.delete(deleted, headers=author.sign())).status_code == 204
    await story.pass_days(10)
    assert await _notices(patient, patient) == []


async def test_what_was_announced_is_not_held_back_again(story: Story) -> None:
    patient, author = await open_record(story), story.physician("99900000055")
    document = await deposit(story, author, patient, "INVISIBLE_PATIENT")
    await done(author, f"{document}/$dmp-announce")
    await patient.sees(document)
    told = {"resourceType": "Parameters", "id": "nothing"}
    refused = [await author.post(f"{document}/$dmp-hold-back", told)]
    stored = await author.sees(document)
    label = [{"coding": [{"system": VISIBILITY, "code": "INVISIBLE_PATIENT"}]}]
    refused.append(await author.put(document, {**stored, "securityLabel": label}))
    for answer in refused:
        expected = (409, ["hold-back-announced DocumentReference.securityLabel"])
        assert (answer.status_code, faults(answer)) == expected, answer.text
    await patient.sees(document)
    never = await deposit(story, author, patient)
    await done(author, f"{never}/$dmp-hold-back")
    await patient.sees_nothing(never)


async def test_what_is_held_back_later_is_told_within_the_time_that_is_left(story: Story) -> None:
    patient, author = await open_record(story), story.physician("99900000055")
    soon, late = await deposit(story, author, patient), await deposit(story, author, patient)
    await story.pass_days(3)
    await done(author, f"{soon}/$dmp-hold-back")
    await story.pass_days(10.5)
    assert len(await _notices(patient, patient)) == 1
    await story.pass_days(7)
    await done(author, f"{late}/$dmp-hold-back")
    await story.work()
    assert len(await _notices(patient, patient)) == 2


@pytest.mark.parametrize("way", ["create", "meta", "transaction"])
async def test_a_result_that_is_held_back_is_told_too_however_it_came(story: Story, way: str) -> None:
    patient, author = await open_record(story), story.physician("99900000055")
    label = {"system": VISIBILITY, "code": "INVISIBLE_PATIENT"}
    result: Json = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": f"Patient/{patient.id}"},
        "performer": [author.by_number],
        "issued": write_instant(story.clock.now),
        "valueQuantity": {"value": 80, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    }
    held = {**result, "meta": {"security": [label]}}
    if way == "transaction":
        entry = {"resource": held, "request": {"method": "POST", "url": "Observation"}}
        answer = await author.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    else:
        answer = await author.post("Observation", held if way == "create" else result)
    assert answer.status_code in {200, 201}, answer.text
    if way == "meta":
        added = {"name": "meta", "valueMeta": {"security": [label]}}
        body = {"resourceType": "Parameters", "parameter": [added]}
        answer = await author.post(f"Observation/{answer.json()['id']}/$meta-add", body)
        assert answer.status_code == 200, answer.text
    await story.pass_days(13.5)
    assert len(await _notices(patient, patient)) == 1


async def test_a_secret_of_a_minor_is_told_to_the_minor_alone(story: Story) -> None:
    child = await open_record(story, born="2012-03-04")
    author, parent = story.physician("99900000055"), story.representative(child.id)
    await deposit(story, author, child, "INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX")
    await story.pass_days(13.5)
    assert len(await _notices(child, child)) == 1
    assert await _notices(parent, child) == []
    await deposit(story, author, child, "INVISIBLE_PATIENT")
    await story.pass_days(13.5)
    assert len(await _notices(parent, child)) == 1


async def test_a_closed_record_tells_nothing(story: Story) -> None:
    patient, author = await open_record(story), story.physician("99900000055")
    await deposit(story, author, patient, "INVISIBLE_PATIENT")
    await done(patient, f"Patient/{patient.id}/$dmp-close")
    await story.pass_days(13.5)
    assert await _notices(patient, patient) == []
    await story.pass_days(20)
    assert await _notices(patient, patient) == []


async def test_a_record_that_is_reopened_tells_what_was_due_meanwhile(story: Story) -> None:
    patient, author = await open_record(story), story.physician("99900000055")
    await deposit(story, author, patient, "INVISIBLE_PATIENT")
    await done(patient, f"Patient/{patient.id}/$dmp-close")
    for _ in range(2):
        await story.pass_days(6.5)
    await done(patient, f"Patient/{patient.id}/$dmp-reopen")
    await story.pass_days(0.1)
    assert len(await _notices(patient, patient)) == 1
    await story.pass_days(2)
    assert len(await _notices(patient, patient)) == 1
