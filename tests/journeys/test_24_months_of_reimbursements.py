"""The assurance maladie feeds the care of the last 24 months, and nothing older is ever shown (articles.md, 3)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from fhir_dmp.issuer.grant import of_system
from fhir_dmp.record.document_type import CLASS, OWN_TYPE
from fhir_dmp.search.sensitivity import CONFIDENTIALITY, LOINC, VISIBILITY
from tests.journeys.cast import done, made, open_record
from tests.journeys.feeding import encode, replacing
from tests.journeys.story import DAY, FINESS, Actor, Story, faults

Json = Any
CNAM = {"identifier": {"system": FINESS, "value": "180035024"}}
DECOMPTE = "https://assurance-maladie.example/decompte"
ADJUDICATION = "http://terminology.hl7.org/CodeSystem/adjudication"
TYPE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/claim-type", "code": "pharmacy"}]}


def day_of(story: Story, days_ago: float) -> str:
    """A day before the story's today."""
    return str((datetime.fromtimestamp(story.clock.now / 1000, UTC) - timedelta(days=days_ago)).date())


def benefit(story: Story, patient: Actor, number: str, days_ago: float = 10, **changed: Json) -> Json:
    """What the insurance paid for an act of some days ago."""
    day = day_of(story, days_ago)
    return {
        "resourceType": "ExplanationOfBenefit",
        "identifier": [{"system": DECOMPTE, "value": f"{patient.id}-{number}"}],
        "status": "active",
        "type": TYPE,
        "use": "claim",
        "patient": {"reference": f"Patient/{patient.id}"},
        "billablePeriod": {"start": day, "end": day},
        "created": day,
        "insurer": CNAM,
        "provider": {"display": "Pharmacie du Marché"},
        "outcome": "complete",
        "insurance": [{"focal": True, "coverage": {"display": "Régime général"}}],
        "total": [{
            "category": {"coding": [{"system": ADJUDICATION, "code": "benefit"}]},
            "amount": {"value": 12.5, "currency": "EUR"},
        }],
        **changed,
    }  # fmt: skip


def listing(story: Story, patient: Actor, number: str, **changed: Json) -> Json:
    """The document that lists the reimbursements."""
    return {
        "resourceType": "DocumentReference",
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:1.2.250.1.999.1.{patient.id}.{number}"},
        "status": "current",
        "type": {"coding": [{"system": OWN_TYPE, "code": "REMB"}]},
        "category": [{"coding": [{"system": CLASS, "code": "60"}]}],
        "subject": {"reference": f"Patient/{patient.id}"},
        "date": f"{day_of(story, 1)}T08:00:00Z",
        "author": [CNAM],
        "securityLabel": [{"coding": [{"system": CONFIDENTIALITY, "code": "N"}]}],
        "content": [{"attachment": {"contentType": "text/plain", "data": encode(f"Historique {number}")}}],
        **changed,
    }


async def fed(story: Story, body: Json) -> str:
    return await made(story.insurance(), body)


async def test_the_patient_and_his_physician_read_what_the_insurance_fed(story: Story) -> None:
    patient, physician, pharmacist = await open_record(story), story.physician(), story.pharmacist()
    for professional in (physician, pharmacist):
        await done(patient, f"Patient/{patient.id}/$dmp-authorize", professional=professional.by_number)
    paid, listed = await fed(story, benefit(story, patient, "1")), await fed(story, listing(story, patient, "1"))
    for reader in (patient, physician):
        assert (await reader.sees(paid))["total"][0]["amount"]["value"] == 12.5
        assert (await reader.sees(listed))["type"]["coding"][0]["code"] == "REMB"
        assert len(await reader.finds(f"ExplanationOfBenefit?patient={patient.id}")) == 1
    for resource in (paid, listed):
        await pharmacist.sees_nothing(resource)
        await story.physician("99900000066").sees_nothing(resource)
        await story.hospital().sees_nothing(resource)
        await story.insurance("180000000").sees_nothing(resource)
    stored = await patient.sees(paid)
    stored["meta"]["security"] = [{"system": VISIBILITY, "code": "MASQUE_PS"}]
    assert (await patient.put(paid, stored)).status_code == 200
    await physician.sees_nothing(paid)
    changed = await story.insurance().put(paid, benefit(story, patient, "1", status="cancelled") | {"id": stored["id"]})
    assert changed.status_code == 403, "what the patient masked is not shown again by a correction"


async def test_sent_again_nothing_changes(story: Story) -> None:
    insurance, patient = story.insurance(), await open_record(story)
    body, document = benefit(story, patient, "1"), listing(story, patient, "1")
    answers = await asyncio.gather(*(insurance.post("ExplanationOfBenefit", body) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 201], [answer.text for answer in answers]
    assert len({answer.json()["id"] for answer in answers}) == 1
    await fed(story, document)
    before = story.behind.count("history"), story.behind.count(ty={"$ne": "AuditEvent"})
    entries = [{"resource": row, "request": {"method": "POST", "url": row["resourceType"]}} for row in (body, document)]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    again = await insurance.post("", bundle)
    assert [entry["response"]["status"][:3] for entry in again.json()["entry"]] == ["200", "200"]
    assert (story.behind.count("history"), story.behind.count(ty={"$ne": "AuditEvent"})) == before
    other = await insurance.post("ExplanationOfBenefit", {**body, "outcome": "error"})
    assert (other.status_code, faults(other)) == (409, ["reimbursement-name-taken ExplanationOfBenefit.identifier"])
    twice = await insurance.post("", {**bundle, "entry": [
        {"resource": benefit(story, patient, "2"), "request": entries[0]["request"]} for _ in range(2)
    ]})  # fmt: skip
    assert twice.status_code == 400
    assert len(await patient.finds(f"ExplanationOfBenefit?patient={patient.id}")) == 1


async def test_the_record_is_found_by_the_ins_and_told_to_nobody(story: Story) -> None:
    insurance, patient = story.insurance(), await open_record(story)
    known = (await patient.sees(f"Patient/{patient.id}"))["identifier"][0]
    by_ins = {"reference": f"Patient?identifier={known['system']}|{known['value']}"}

    async def send(number: str) -> Any:
        body = {**benefit(story, patient, number), "patient": by_ins}
        entry = {"resource": body, "request": {"method": "POST", "url": "ExplanationOfBenefit"}}
        return await insurance.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})

    statuses = [(await send("1")).json()["entry"][0]["response"]["status"][:3] for _ in range(2)]
    assert statuses == ["201", "200"], "the same, however the record is named"
    status = await insurance.get(f"Patient/$dmp-status?identifier={known['system']}|{known['value']}")
    assert status.status_code == 403
    await insurance.sees_nothing(f"Patient/{patient.id}")
    for url in ("Patient", "Practitioner", "Consent", "Observation", "AuditEvent", "Communication", "ValueSet"):
        assert await insurance.finds(f"{url}?_count=5") == [], url
    await done(patient, f"Patient/{patient.id}/$dmp-close")
    assert (await send("2")).status_code == 412, "a closed record is as none"


async def test_what_is_past_its_24_months_is_shown_to_nobody_and_leaves_with_a_trace(story: Story) -> None:
    patient, physician, insurance = await open_record(story), story.physician(), story.insurance()
    await done(patient, f"Patient/{patient.id}/$dmp-authorize", professional=physician.by_number)
    old = await fed(story, benefit(story, patient, "1", 720))
    recent = await fed(story, benefit(story, patient, "2", 30))
    listed = await fed(story, listing(story, patient, "1", date=f"{day_of(story, 720)}T08:00:00Z"))
    for reader in (patient, physician):
        assert len(await reader.finds(f"ExplanationOfBenefit?patient={patient.id}")) == 2

    story.clock.now += 13 * DAY
    for reader in (patient, physician, insurance):
        for gone in (old, listed):
            await reader.sees_nothing(gone)
            assert (await reader.get(f"{gone}/_history/1")).status_code == 404
            assert (await reader.get(f"{gone}/_history")).status_code == 404
        await reader.sees(recent)
        found = await reader.finds(f"ExplanationOfBenefit?patient={patient.id}&_total=accurate")
        assert [row["id"] for row in found] == [recent.partition("/")[2]]

    await story.work()
    assert (await story.server().get(old)).status_code == 404
    assert story.behind.count("history", r={"$in": [old, listed]}) == 0
    for gone in (old, listed):
        assert len(await story.trace(entity=gone, action="D")) == 1
        assert len(await patient.finds(f"AuditEvent?entity={gone}&action=D")) == 1, "the patient is told"
    late = await insurance.post("ExplanationOfBenefit", benefit(story, patient, "1", 733))
    assert (late.status_code, faults(late)) == (422, ["reimbursement-past ExplanationOfBenefit.billablePeriod"])


async def test_a_worker_that_dies_leaves_the_rest_to_the_next(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    patient = await open_record(story)
    old = await fed(story, benefit(story, patient, "1", 725))
    story.clock.now += 10 * DAY
    store = type(story.behind_store)
    with monkeypatch.context() as dying:
        dying.setattr(store, "remove", _die)
        assert await story.work() == 0
    assert (await story.server().get(old)).status_code == 200
    await patient.sees_nothing(old)
    await story.pass_days(1)
    assert (await story.server().get(old)).status_code == 404
    assert len(await story.trace(entity=old, action="D")) >= 2, "once more rather than never"


async def _die(*_: Any) -> None:
    raise ConnectionError("the process is gone")


async def test_a_corrected_date_moves_the_day_on_which_it_leaves(story: Story) -> None:
    insurance, patient = story.insurance(), await open_record(story)
    paid = await fed(story, benefit(story, patient, "1", 725))
    corrected = benefit(story, patient, "1", 10) | {"id": paid.partition("/")[2]}
    assert (await insurance.put(paid, corrected)).status_code == 200
    await story.pass_days(30)
    await patient.sees(paid)
    taken_back = await insurance.client.delete(paid, headers=insurance.sign())
    assert taken_back.status_code == 204
    await story.pass_days(720)
    assert story.behind.count("history", r=paid) == 0


async def test_a_new_list_shows_no_more_than_the_one_that_it_replaces(story: Story) -> None:
    insurance, patient = story.insurance(), await open_record(story)
    first = await fed(story, listing(story, patient, "1"))
    await done(patient, f"{first}/$dmp-mask")
    second = listing(story, patient, "2", **replacing(first))
    answer = await insurance.post("DocumentReference", second)
    assert (answer.status_code, faults(answer)) == (422, ["document-shows-more DocumentReference.securityLabel"])
    masked = {"coding": [{"system": VISIBILITY, "code": "MASQUE_PS"}]}
    await fed(story, {**second, "securityLabel": [*second["securityLabel"], masked]})
    assert (await patient.sees(first))["status"] == "superseded"


async def test_the_content_of_a_list_is_read_with_it_and_leaves_with_it(story: Story) -> None:
    insurance, patient = story.insurance(), await open_record(story)
    binary = await fed(story, {"resourceType": "Binary", "contentType": "text/plain", "data": encode("Historique")})
    dated = {"date": f"{day_of(story, 720)}T08:00:00Z"}
    cited = {"content": [{"attachment": {"contentType": "text/plain", "url": binary}}], **dated}
    listed = await fed(story, listing(story, patient, "1", **cited))
    for reader in (insurance, patient):
        assert (await reader.get(binary)).text == "Historique"
    await story.physician("99900000066").sees_nothing(binary)
    story.clock.now += 13 * DAY
    for reader in (insurance, patient):
        await reader.sees_nothing(binary)
    await story.work()
    assert story.behind.count(_id={"$in": [binary, listed]}) == 0


async def test_what_the_server_made_another_document_of_is_not_removed(story: Story) -> None:
    patient = await open_record(story)
    listed = await fed(story, listing(story, patient, "1", date=f"{day_of(story, 720)}T08:00:00Z"))
    stored = await story.server().sees(listed)
    report = {"coding": [{"system": LOINC, "code": "34112-3"}]}
    changed = {key: value for key, value in stored.items() if key != "category"} | {"type": report}
    assert (await story.server().put(listed, changed)).status_code == 200
    endless = await made(story.server(), listing(story, patient, "2", context={"period": {"start": "2025-01-01"}}))
    await done(patient, f"{endless}/$dmp-mask")
    await story.pass_days(60)
    assert (await story.server().get(listed)).status_code == 200
    await patient.sees(listed)


WRONG: dict[str, tuple[Json, str]] = {
    "no identifier": ({"identifier": []}, "reimbursement-unnamed ExplanationOfBenefit.identifier"),
    "in the future": ({"billablePeriod": {"end": "2031-01-01"}}, "date-future ExplanationOfBenefit.billablePeriod"),
    "too old": ({"billablePeriod": {"end": "2023-12-30"}}, "reimbursement-past ExplanationOfBenefit.billablePeriod"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_is_no_reimbursement_of_the_24_months_is_refused(story: Story, name: str) -> None:
    patient = await open_record(story)
    changed, fault = WRONG[name]
    body = {key: value for key, value in benefit(story, patient, "1", **changed).items() if value != []}
    answer = await story.insurance().post("ExplanationOfBenefit", body)
    assert (answer.status_code, faults(answer)) == (422, [fault])
    assert await story.trace(patient=f"Patient/{patient.id}", outcome="4"), "who tried is in the trace"


@pytest.mark.parametrize("kind", ["insurer", "bank"])
async def test_a_complementary_insurer_is_never_taken_for_the_assurance_maladie(story: Story, kind: str) -> None:
    patient = await open_record(story)
    grant = of_system(kind, "mutuelle-42", "180035024", ("system/*.cruds", "system/ExplanationOfBenefit.cruds"))
    outsider = Actor(story.guarded.client, partial(story.guarded.tokens.sign, grant))
    answer = await outsider.post("ExplanationOfBenefit", benefit(story, patient, "1"))
    assert answer.status_code == 403
    of_another = benefit(story, patient, "1", insurer={"identifier": {"system": FINESS, "value": "999999999"}})
    assert (await story.insurance().post("ExplanationOfBenefit", of_another)).status_code == 403
    for writer in (story.hospital(), story.physician(), patient, story.fund()):
        assert (await writer.post("ExplanationOfBenefit", benefit(story, patient, "1"))).status_code == 403
    assert await patient.finds(f"ExplanationOfBenefit?patient={patient.id}") == []
