"""Jobs on a real MongoDB: one worker has each, a worker that is gone loses it, what failed comes again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fhir_dmp.store.job_port import Job, JobKind
from fhir_dmp.store.mongo.jobs import LEASE, MongoJobs
from fhir_dmp.store.mongo.store import MongoStore, connect
from fhir_dmp.store.port import Writer

NOW = 1_767_225_600_000


@pytest.fixture
async def store(mongodb_uri: str, database_name: str) -> AsyncIterator[MongoStore]:
    client = connect(mongodb_uri)
    store = MongoStore(client, database_name)
    await store.prepare()
    yield store
    await client.close()


async def _schedule(store: MongoStore, *jobs: Job) -> None:
    async def work(writer: Writer) -> None:
        for job in jobs:
            await writer.schedule(job)

    await store.transact(work)


def _job(subject: str, due: int = NOW) -> Job:
    return Job(JobKind.ERASE, subject, due, {"why": "test"})


async def test_what_is_due_longest_is_taken_first_and_nothing_before_its_time(store: MongoStore) -> None:
    jobs = MongoJobs(store.database)
    await _schedule(store, _job("late", NOW + 1), _job("second"), _job("first", NOW - 5))
    taken = [await jobs.take(NOW) for _ in range(3)]
    assert [lease.job.subject for lease in taken if lease] == ["first", "second"]
    assert taken[2] is None
    found = await jobs.find(JobKind.ERASE, "late")
    assert found == _job("late", NOW + 1)


async def test_of_many_workers_at_once_one_has_each_job(store: MongoStore) -> None:
    await _schedule(store, *(_job(f"p{number}") for number in range(10)))
    workers = [MongoJobs(store.database) for _ in range(20)]
    taken = await asyncio.gather(*(worker.take(NOW) for worker in workers))
    subjects = [lease.job.subject for lease in taken if lease]
    assert sorted(subjects) == sorted(f"p{number}" for number in range(10))


async def test_a_worker_that_is_gone_loses_its_job_and_can_do_nothing_more_with_it(store: MongoStore) -> None:
    await _schedule(store, _job("p"))
    one, other = MongoJobs(store.database), MongoJobs(store.database)
    lost = await one.take(NOW)
    assert lost is not None
    assert await one.keep(lost, NOW + LEASE - 1)
    assert await other.take(NOW + LEASE) is None
    lease = await other.take(NOW + 2 * LEASE)
    assert lease is not None
    assert not await one.keep(lost, NOW + 2 * LEASE)
    await one.finish(lost)
    await one.postpone(lost, NOW)
    assert await other.keep(lease, NOW + 2 * LEASE)
    await other.finish(lease)
    assert await other.find(JobKind.ERASE, "p") is None


async def test_what_failed_is_due_again_later_and_counts_its_attempts(store: MongoStore) -> None:
    await _schedule(store, _job("p"))
    jobs = MongoJobs(store.database)
    lease = await jobs.take(NOW)
    assert lease is not None
    await jobs.postpone(lease, NOW + 60)
    assert await jobs.take(NOW) is None
    again = await jobs.take(NOW + 60)
    assert again is not None
    assert again.job.attempts == 1


async def test_a_job_that_is_cancelled_or_whose_transaction_fails_is_none(store: MongoStore) -> None:
    await _schedule(store, _job("p"))

    async def cancel(writer: Writer) -> None:
        await writer.cancel(JobKind.ERASE, "p")

    async def fail(writer: Writer) -> None:
        await writer.schedule(_job("q"))
        raise ValueError("the act is refused")

    await store.transact(cancel)
    with pytest.raises(ValueError, match="refused"):
        await store.transact(fail)
    assert await MongoJobs(store.database).take(NOW) is None


async def test_a_worker_sees_that_the_job_it_holds_was_cancelled(store: MongoStore) -> None:
    await _schedule(store, _job("p"))
    jobs = MongoJobs(store.database)
    lease = await jobs.take(NOW)
    assert lease is not None

    async def cancel(writer: Writer) -> bool:
        found = await writer.find_job(JobKind.ERASE, "p")
        await writer.cancel(JobKind.ERASE, "p")
        return found is not None and found.is_held

    assert await store.transact(cancel)
    assert not await jobs.keep(lease, NOW)
