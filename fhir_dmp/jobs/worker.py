"""The worker of a server's process: takes what is due, one job at a time, and tries again later what failed.

Several processes and servers have one each; the store gives a job to one of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from fhir_dmp.instant import Milliseconds
from fhir_dmp.interactions.context import Context
from fhir_dmp.jobs.divide import divide
from fhir_dmp.jobs.erase import erase
from fhir_dmp.jobs.leave import leave
from fhir_dmp.jobs.move import move
from fhir_dmp.jobs.notify import notify
from fhir_dmp.jobs.take_in import take_in
from fhir_dmp.store.job_port import JobKind, Jobs, Lease

Work = Callable[[Context, Jobs, Lease], Awaitable[bool]]
"""Does a job; returns False where it is another worker's meanwhile."""
WORKS: Mapping[JobKind, Work] = {
    JobKind.ERASE: erase,
    JobKind.LEAVE: leave,
    JobKind.NOTIFY: notify,
    JobKind.MERGE: move,
    JobKind.EXPORT: divide,
    JobKind.IMPORT: take_in,
}

PAUSE_SECONDS = 10.0
"""How often a worker looks for work that nobody rings for: what becomes due, and what another left."""
FIRST_RETRY: Milliseconds = 60_000
LONGEST_RETRY: Milliseconds = 6 * 3_600_000
_log = logging.getLogger("fhir_dmp.jobs")


async def run_due(context: Context, jobs: Jobs, works: Mapping[JobKind, Work] = WORKS) -> int:
    """Does every job that is due and nobody's; returns how many were done."""
    done = 0
    while lease := await jobs.take(context.now()):
        done += await _run(context, jobs, lease, works)
    return done


async def work_for_ever(context: Context, jobs: Jobs, bell: asyncio.Event, pause: float = PAUSE_SECONDS) -> None:
    """Does what is due until it is cancelled, at once where the bell is rung; what failed is looked at again later."""
    while True:
        bell.clear()
        try:
            await run_due(context, jobs)
        except Exception:  # noqa: BLE001  whatever went wrong, the next look may go right
            _log.exception("the jobs cannot be read")
        with suppress(TimeoutError):
            await asyncio.wait_for(bell.wait(), pause)


async def _run(context: Context, jobs: Jobs, lease: Lease, works: Mapping[JobKind, Work]) -> bool:
    try:
        is_done = await works[lease.job.kind](context, jobs, lease)
    except Exception:  # noqa: BLE001  whatever went wrong, the job is tried again
        _log.exception("job %s failed", lease.job.key)
        with suppress(Exception):
            await jobs.postpone(lease, context.now() + retry_after(lease.job.attempts))
        return False
    if is_done:
        await jobs.finish(lease)
    return is_done


def retry_after(attempts: int) -> Milliseconds:
    """Returns how long after a failure a job is tried again: twice as long each time, up to a limit."""
    return int(min(FIRST_RETRY * 2 ** min(attempts, 20), LONGEST_RETRY))
