"""A reimbursement leaves its record when its 24 months are over: it is removed for good, with its past.

Until then nobody has seen it since the very hour (access/reimbursement.py). The trace is left first: a crash in between
leaves it twice, and never a removal without one.
"""

from __future__ import annotations

from fhir_dmp.access.reimbursement import is_reimbursement, leaves_at
from fhir_dmp.access.requester import SERVER
from fhir_dmp.instant import Milliseconds
from fhir_dmp.interactions.authorisation import facts_of
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.request import Request
from fhir_dmp.jobs.erase import record_erased
from fhir_dmp.resource import Identity, Version
from fhir_dmp.search.facts import END
from fhir_dmp.store.job_port import Jobs, Lease


async def leave(context: Context, jobs: Jobs, lease: Lease) -> bool:
    """Removes the reimbursement that a job names; returns False where it is another worker's, or not due yet."""
    identity = Identity(*lease.job.subject.split("/"))
    everything = await open_gate(context, Request(SERVER, identity.resource_type), "read")
    found = (await context.reader.read_latest((identity,), everything)).get(identity)
    if not await jobs.keep(lease, context.now()):
        return False
    if found is None:
        return True
    due = _find_due(context, found)
    if due == END:
        return True
    if due > context.now():
        await jobs.postpone(lease, due)
        return False
    await record_erased(context, identity, found.patient)
    await context.store.remove(identity)
    return True


def _find_due(context: Context, version: Version) -> Milliseconds:
    """When it leaves by what it says now, END of what is no reimbursement any more.

    One that the insurance took back leaves when it would have.
    """
    if version.content is None:
        return context.now()
    facts = facts_of(context, version)
    span = facts.security.span if facts and is_reimbursement(facts) else None
    return leaves_at(span[1]) if span else END
