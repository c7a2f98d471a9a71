"""A hospital opened a provisional record for someone who had one: the fund joins them, and parts them when it erred."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fhir_dmp.access.requester import SERVER, Kind, Requester
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.request import Request
from fhir_dmp.jobs import move
from fhir_dmp.record.consents import Act, build_consent, build_recipient
from tests.journeys.cast import deposit, made
from tests.journeys.story import RPPS, START, Actor, Story, faults, parameters, reference_of, told
from tests.record.numbers import build_provisional
from tests.rest.server import BASE_URL

Json = Any
NOTES = 5


def _pair(source: str, target: str) -> Json:
    named = {"source-patient": source, "target-patient": target}
    return parameters(**{name: {"reference": f"Patient/{value}"} for name, value in named.items()})


async def _open_both(story: Story, kept: Actor, lost: Actor) -> tuple[str, str]:
    """A provisional record that two professionals read, with notes, and the qualified one that the first reads."""
    proven, fund = story.new_identity(), story.fund()
    names = [{**name, "use": "usual"} for name in proven["name"][1:]]
    source = reference_of(
        await fund.post(
            "Patient/$dmp-open",
            parameters(
                consent=True, patient=build_provisional(name=names), authorized=[kept.by_number, lost.by_number]
            ),
        )
    )
    asked = parameters(consent=True, patient=proven, distinct=True, authorized=kept.by_number)
    target = reference_of(await fund.post("Patient/$dmp-open", asked))
    for number in range(NOTES):
        about = {"reference": f"Patient/{source}"}
        note = {"resourceType": "Observation", "status": "final", "code": {"text": f"{number}"}, "subject": about}
        assert (await story.server().post("Observation", note)).status_code == 201
    return source, target


async def test_what_is_in_both_records_is_joined_and_parted_again(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(move, "BATCH", 2)
    physician, pharmacist, fund = story.physician(), story.pharmacist(), story.fund()
    source, target = await _open_both(story, physician, pharmacist)
    assert len(await pharmacist.finds(f"Observation?patient={source}")) == NOTES

    answer = await fund.post("Patient/$merge", _pair(source, target))
    assert answer.status_code == 200, answer.text
    assert told(answer)["status"] == "merge-under-way"
    # until all has moved, and where it was, it is absent
    await physician.sees_nothing(f"Patient/{source}")
    assert await story.work() == 1

    patient = story.patient(target)
    assert len(await patient.finds(f"Observation?patient={target}")) == NOTES
    assert len(await physician.finds(f"Observation?patient={target}")) == NOTES
    # the stricter Consents win: only one of both records was open to the pharmacist
    await pharmacist.sees_nothing(f"Patient/{target}")
    record = await patient.sees(f"Patient/{target}")
    assert record["link"] == [{"other": {"reference": f"Patient/{source}"}, "type": "replaces"}]
    again = await fund.post("Patient/$merge", _pair(source, target))
    assert told(again)["status"] == "merged"
    assert (await patient.sees(f"Patient/{target}"))["meta"]["versionId"] == record["meta"]["versionId"]

    # who was replaced has no record of his own any more, and a qualified identity stays
    reopened = await fund.post(f"Patient/{source}/$dmp-open", parameters(consent=True))
    assert (reopened.status_code, faults(reopened)) == (409, ["identity-merged"])

    parted = await fund.post("Patient/$dmp-unmerge", _pair(source, target))
    assert parted.status_code == 200, parted.text
    await story.work()
    assert await patient.finds(f"Observation?patient={target}") == []
    assert len(await pharmacist.finds(f"Observation?patient={source}")) == NOTES
    assert len(await physician.finds(f"Observation?patient={source}")) == NOTES
    backwards = await fund.post("Patient/$merge", _pair(target, source))
    assert (backwards.status_code, faults(backwards)) == (409, ["identity-not-qualified"])
    assert "tag" not in (await story.patient(source).sees(f"Patient/{source}"))["meta"]


async def test_what_names_a_version_of_the_patient_is_moved_too(story: Story) -> None:
    physician, fund = story.physician(), story.fund()
    source, target = await _open_both(story, physician, story.pharmacist())
    for url in (f"Patient/{source}/_history/1", f"{BASE_URL}/Patient/{source}/_history/1"):
        note = {"resourceType": "Observation", "status": "final", "code": {"text": url}, "subject": {"reference": url}}
        assert (await story.server().post("Observation", note)).status_code == 201
    await fund.post("Patient/$merge", _pair(source, target))
    await asyncio.wait_for(story.work(), 60)
    assert len(await physician.finds(f"Observation?patient={target}")) == NOTES + 2
    await fund.post("Patient/$dmp-unmerge", _pair(source, target))
    await story.work()
    assert len(await physician.finds(f"Observation?patient={source}")) == NOTES + 2


async def _consented(patient: Actor, effect: str, who: Actor, **members: Json) -> None:
    """A Consent of the patient about somebody."""
    act = Act("authorize", Requester(Kind.PATIENT, "p", patient_id=patient.id), patient.id, START, BASE_URL)
    provision = {"type": effect, **build_recipient(who.by_number), **members}
    profile = "https://fhir-dmp.fr/StructureDefinition/dmp-consent"
    await made(patient, build_consent(act, "", profile, provision))


async def _step(story: Story, one: Actor, other: Actor, *, is_back: bool) -> AsyncIterator[None]:
    """Moves what is to be moved, one resource after another."""
    restriction = await open_gate(story.context, Request(SERVER), "search-system")
    task = {"from": (other if is_back else one).id, "to": (one if is_back else other).id, "back": is_back}
    yield
    for step in move.build_steps(story.context, restriction, task):
        while await step():
            yield


@pytest.mark.parametrize("is_in_source", [False, True])
async def test_nobody_sees_more_while_records_are_joined_and_parted(
    story: Story, monkeypatch: pytest.MonkeyPatch, *, is_in_source: bool
) -> None:
    monkeypatch.setattr(move, "BATCH", 1)
    denied, lone, author = story.physician("99900000066"), story.physician("99900000077"), story.physician()
    one, other = [story.patient(name) for name in await _open_both(story, author, author)]
    documents = {"class": [{"system": "http://hl7.org/fhir/resource-types", "code": "DocumentReference"}]}
    for patient in (one, other):
        await _consented(patient, "permit", denied)
    await _consented(one if is_in_source else other, "permit", lone)
    for patient in (one, one, one, other, other, other):
        await deposit(story, author, patient)
    await _consented(one, "deny", denied, **documents)

    async def found(reader: Actor) -> set[str]:
        rows = await reader.finds(f"DocumentReference?patient={one.id},{other.id}")
        return {row["id"] for row in rows}

    before = {reader: await found(reader) for reader in (denied, lone)}
    assert [len(before[reader]) for reader in (denied, lone)] == [3, 3]
    assert (await story.fund().post("Patient/$merge", _pair(one.id, other.id))).status_code == 200
    async for _ in _step(story, one, other, is_back=False):
        assert all([await found(reader) <= before[reader] for reader in (denied, lone)])
    await story.work()
    assert [await found(reader) for reader in (denied, lone)] == [set(), set()]
    assert (await story.fund().post("Patient/$dmp-unmerge", _pair(one.id, other.id))).status_code == 200
    early = await story.fund().post(f"Patient/{one.id}/$dmp-open", parameters(consent=True))
    assert (early.status_code, faults(early)) == (409, ["identity-merged"])
    async for _ in _step(story, one, other, is_back=True):
        assert all([await found(reader) <= before[reader] for reader in (denied, lone)])
    await story.work()
    assert {reader: await found(reader) for reader in (denied, lone)} == before


PERMIT, DENY = {"type": "permit"}, {"type": "deny"}
DOCUMENTS = {"class": [{"system": "http://hl7.org/fhir/resource-types", "code": "DocumentReference"}]}
FLAGS = {"class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Flag"}]}
TREATMENT = {"purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}]}
SAVE_DOCUMENTS, ANOTHER_ALONE = {"provision": [DENY | DOCUMENTS]}, {"rule": "OPTOUT", "who": "another"}
OF_PAST, FOR_A_WHILE = {"period": {"end": "2021"}}, {"period": {"end": "2026-01-20"}}
OF_ONE_RECORD: dict[str, tuple[list[Json], list[Json], str, str]] = {
    "both permit": ([PERMIT], [{**PERMIT, "period": {"start": "2020"}}], "st", "st"),
    "one permitted once": ([PERMIT | OF_PAST], [PERMIT], "t", ""),
    "one permits for less long": ([PERMIT | FOR_A_WHILE], [PERMIT], "st", "st"),
    "one permits all that its policy does not deny": ([], [DENY | FLAGS | {"rule": "OPTIN"}], "t", ""),
    "one permits all by its policy": ([PERMIT], [PERMIT | {"rule": "OPTIN"}], "st", ""),
    "one permits as an exception": ([], [DENY | TREATMENT | {"provision": [PERMIT | DOCUMENTS]}], "t", ""),
    "one permits with an exception": ([PERMIT], [PERMIT, PERMIT | TREATMENT | SAVE_DOCUMENTS], "s", ""),
    "one permits another and denies the rest": ([PERMIT, PERMIT | ANOTHER_ALONE], [PERMIT], "t", ""),
}  # fmt: skip
"""What either record permits and denies; of which one a professional sees a document, and of which once joined."""


@pytest.mark.parametrize("case", OF_ONE_RECORD)
async def test_joined_records_permit_what_both_did_and_deny_what_either_did(story: Story, case: str) -> None:
    in_source, in_target, before, joined = OF_ONE_RECORD[case]
    reader, author = story.physician("99900000066"), story.physician()
    source, target = [story.patient(name) for name in await _open_both(story, author, author)]
    documents = {"s": await deposit(story, author, source), "t": await deposit(story, author, target)}
    for patient, rows in ((source, in_source), (target, in_target)):
        for row in rows:
            await made(patient, _build_rule(patient, reader, row))

    async def found() -> str:
        return "".join([name for name, url in documents.items() if (await reader.get(url)).status_code == 200])

    assert await found() == before
    assert (await story.fund().post("Patient/$merge", _pair(source.id, target.id))).status_code == 200
    await story.work()
    assert await found() == joined
    if case == "one permits for less long":
        await story.pass_days(30)
        assert await found() == ""
        before = "t"
    assert (await story.fund().post("Patient/$dmp-unmerge", _pair(source.id, target.id))).status_code == 200
    await story.work()
    assert await found() == before


async def test_of_two_merges_the_undoing_of_one_gives_nobody_what_the_other_took(story: Story) -> None:
    reader, author, fund = story.physician("99900000066"), story.physician(), story.fund()
    first, target = [story.patient(name) for name in await _open_both(story, author, author)]
    stored = (await story.server().get(f"Patient/{first.id}")).json()
    again = build_provisional(name=stored["name"])
    opened = await fund.post("Patient/$dmp-open", parameters(consent=True, patient=again, distinct=True))
    second = story.patient(reference_of(opened))
    documents = [await deposit(story, author, patient) for patient in (first, target, second)]
    for patient in (first, target):
        await made(patient, _build_rule(patient, reader, PERMIT | (TREATMENT if patient is first else {})))

    async def found() -> list[int]:
        return [(await reader.get(url)).status_code for url in documents]

    for source in (first, second):
        assert (await fund.post("Patient/$merge", _pair(source.id, target.id))).status_code == 200
        await story.work()
        assert await found() == [404, 404, 404]
    assert (await fund.post("Patient/$dmp-unmerge", _pair(first.id, target.id))).status_code == 200
    await story.work()
    assert await found() == [200, 404, 404], "the second record never permitted it"
    assert (await fund.post("Patient/$dmp-unmerge", _pair(second.id, target.id))).status_code == 200
    await story.work()
    assert await found() == [200, 200, 404]


def _build_rule(patient: Actor, reader: Actor, row: Json) -> Json:
    members = {key: value for key, value in row.items() if key not in {"rule", "who"}}
    named = build_recipient(
        {"identifier": {"system": RPPS, "value": "99900000077"}} if "who" in row else reader.by_number
    )
    act = Act("authorize", Requester(Kind.PATIENT, "p", patient_id=patient.id), patient.id, START, BASE_URL)
    provision = {**(named if "rule" not in row or "who" in row else {}), **members}
    built = build_consent(act, "", "https://fhir-dmp.fr/StructureDefinition/dmp-consent", provision)
    rule = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": row.get("rule")}]}
    kept = {key: value for key, value in built.items() if key != "provision" or value}
    return {**kept, "policyRule": rule} if "rule" in row else kept


async def test_what_is_erased_takes_along_who_was_replaced(story: Story) -> None:
    fund = story.fund()
    source, target = await _open_both(story, story.physician(), story.pharmacist())
    await fund.post("Patient/$merge", _pair(source, target))
    await story.work()
    asked = await story.patient(target).post(f"Patient/{target}/$dmp-delete-request", parameters(confirmed=True))
    assert asked.status_code == 200, asked.text
    await story.pass_days(61)
    for patient in (source, target):
        assert (await story.server().get(f"Patient/{patient}")).status_code == 404
        assert (await story.server().get(f"Patient/{patient}/_history/1")).status_code == 404
        assert await story.trace(patient=f"Patient/{patient}", action="D")


async def test_an_open_record_does_not_go_into_one_that_waits_to_be_erased(story: Story) -> None:
    fund = story.fund()
    source, target = await _open_both(story, story.physician(), story.pharmacist())
    await fund.post(f"Patient/{target}/$dmp-delete-request", parameters(confirmed=True))
    refused = await fund.post("Patient/$merge", _pair(source, target))
    assert (refused.status_code, faults(refused)) == (409, ["record-closed"])
    await fund.post(f"Patient/{source}/$dmp-close", parameters())
    assert (await fund.post("Patient/$merge", _pair(source, target))).status_code == 200


async def test_two_people_are_not_merged_and_only_the_fund_merges(story: Story) -> None:
    fund = story.fund()
    one, other = [
        reference_of(await fund.post("Patient/$dmp-open", parameters(consent=True, patient=story.new_identity())))
        for _ in range(2)
    ]
    refused = await fund.post("Patient/$merge", _pair(one, other))
    assert (refused.status_code, faults(refused)) == (409, ["traits-contradict"])
    same = await fund.post("Patient/$merge", _pair(one, one))
    assert (same.status_code, faults(same)) == (400, ["parameter-value Parameters.parameter[1]"])
    absent = await fund.post("Patient/$merge", _pair(one, "never-was"))
    assert absent.status_code == 404
    for actor in (story.physician(), story.patient(one)):
        assert (await actor.post("Patient/$merge", _pair(one, other))).status_code == 403
