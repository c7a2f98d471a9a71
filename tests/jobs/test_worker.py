"""The worker: a job that fails is tried again later, and a crash amid erasing leaves the rest to the next worker."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fhir_dmp.interactions.context import Context
from fhir_dmp.jobs import erase as erasing
from fhir_dmp.jobs.worker import FIRST_RETRY, LONGEST_RETRY, WORKS, retry_after, run_due, work_for_ever
from fhir_dmp.store.job_port import JobKind, Jobs, Lease
from fhir_dmp.store.mongo.jobs import LEASE, MongoJobs
from fhir_dmp.store.port import Writer
from tests.journeys.story import Actor, Story, parameters, reference_of

Json = Any
NOTES = 7


async def _close_full_record(story: Story) -> Actor:
    """A record with notes and a document whose Binary only it cites, closed to be deleted."""
    physician = story.physician()
    asked = parameters(patient=story.new_identity(), consent=True, authorized=physician.by_number)
    patient = story.patient(reference_of(await physician.post("Patient/$dmp-open", asked)))
    about = {"reference": f"Patient/{patient.id}"}
    server = story.server()
    binary = (
        await server.post("Binary", {"resourceType": "Binary", "contentType": "text/plain", "data": "eA=="})
    ).json()
    for number in range(NOTES):
        note = {"resourceType": "Observation", "status": "final", "code": {"text": f"{number}"}, "subject": about}
        made = (await server.post("Observation", note)).json()
        await server.put(f"Observation/{made['id']}", {**note, "id": made["id"], "status": "amended"})
    content = [{"attachment": {"contentType": "text/plain", "url": f"Binary/{binary['id']}"}}]
    document = {"resourceType": "DocumentReference", "status": "current", "subject": about, "content": content}
    assert (await server.post("DocumentReference", document)).status_code == 201
    await patient.post(f"Patient/{patient.id}/$dmp-delete-request", parameters(confirmed=True))
    return patient


def _left(story: Story, patient: str) -> int:
    kept = {"$ne": "AuditEvent"}
    return story.behind.count(pt=patient, ty=kept) + story.behind.count("history", pt=patient, ty=kept)


async def _is_erased_by(worker: asyncio.Task[None], story: Story, patient: str) -> bool:
    """Tells whether a worker leaves nothing of a record within ten seconds, and ends it."""
    for _ in range(500):
        await asyncio.sleep(0.02)
        if _left(story, patient) == 0:
            break
    worker.cancel()
    return _left(story, patient) == 0


async def test_a_crash_amid_erasing_leaves_the_rest_to_the_next_worker(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "BATCH", 2)
    patient = await _close_full_record(story)
    binaries = story.behind.count(ty="Binary")
    story.clock.now += 61 * 24 * 3_600_000
    context: Context = story.context
    jobs = MongoJobs(story.behind_store.database)

    async def crash(context: Context, jobs: Jobs, lease: Lease) -> bool:
        assert await jobs.keep(lease, context.now())
        await context.store.erase(lease.job.subject, 2)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await run_due(context, jobs, {JobKind.ERASE: crash})
    assert _left(story, patient.id) > 0
    assert await run_due(context, jobs) == 0
    story.clock.now += LEASE
    assert await run_due(context, jobs) == 1
    assert _left(story, patient.id) == 0
    assert story.behind.count(ty="Binary") == binaries - 1


async def test_a_job_that_fails_is_tried_again_later(story: Story) -> None:
    patient = await _close_full_record(story)
    story.clock.now += 61 * 24 * 3_600_000
    jobs = MongoJobs(story.behind_store.database)

    async def fail(context: Context, jobs: Jobs, lease: Lease) -> bool:
        del context, jobs, lease
        raise OSError("the disk is full")

    assert await run_due(story.context, jobs, {JobKind.ERASE: fail}) == 0
    assert await run_due(story.context, jobs, WORKS) == 0
    story.clock.now += FIRST_RETRY
    assert await run_due(story.context, jobs, WORKS) == 1
    assert _left(story, patient.id) == 0


async def test_the_worker_of_a_server_does_what_becomes_due(story: Story) -> None:
    patient = await _close_full_record(story)
    story.clock.now += 61 * 24 * 3_600_000
    bell = asyncio.Event()
    worker = asyncio.create_task(work_for_ever(story.context, MongoJobs(story.behind_store.database), bell, pause=0.01))
    assert await _is_erased_by(worker, story, patient.id)


async def test_what_is_scheduled_here_begins_without_waiting_for_the_next_look(story: Story) -> None:
    patient = await _close_full_record(story)
    bell, store, jobs = asyncio.Event(), story.behind_store, MongoJobs(story.behind_store.database)
    store.after_schedule = bell.set
    worker = asyncio.create_task(work_for_ever(story.context, jobs, bell, pause=3600))
    await asyncio.sleep(0.2)
    story.clock.now += 61 * 24 * 3_600_000

    async def schedule(writer: Writer) -> None:
        job = await writer.find_job(JobKind.ERASE, patient.id)
        assert job
        await writer.schedule(job)

    await story.context.store.transact(schedule)
    assert await _is_erased_by(worker, story, patient.id)


async def test_a_record_that_an_administrator_opened_again_is_kept(story: Story) -> None:
    patient = await _close_full_record(story)
    record = await patient.sees(f"Patient/{patient.id}")
    kept = [row for row in record["extension"] if "fermeture" not in row["url"]]
    answer = await story.server().put(f"Patient/{patient.id}", {**record, "active": True, "extension": kept})
    assert answer.status_code == 200, answer.text
    await story.pass_days(61)
    assert len(await story.server().finds(f"Observation?patient={patient.id}")) == NOTES


def test_retries_come_ever_later_up_to_a_limit() -> None:
    waits = [retry_after(attempts) for attempts in range(30)]
    assert waits[0] == FIRST_RETRY
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_RETRY
