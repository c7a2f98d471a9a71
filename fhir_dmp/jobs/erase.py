"""The end of a record: what a closed record holds is removed for good, batch by batch. CSP R1111-36.

The traces stay, and say that it was erased. The job is checked again before it begins: a record that is open is kept.
"""

from __future__ import annotations

from dataclasses import replace

from fhir_dmp.access.requester import SERVER
from fhir_dmp.audit.access import Access, Item
from fhir_dmp.audit.event import build_events
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import read_states
from fhir_dmp.interactions.request import Request
from fhir_dmp.jobs.unsubscribe import unsubscribe
from fhir_dmp.resource import Identity
from fhir_dmp.store.job_port import Jobs, Lease

BATCH = 200
"""Resources that are removed before it is asked again whether the job is still this worker's."""


async def erase(context: Context, jobs: Jobs, lease: Lease) -> bool:
    """Erases the record that a job names; returns False where another worker took it over meanwhile."""
    patient = lease.job.subject
    states = await read_states(context, Request(SERVER), [patient])
    if states and states[0].is_open(context.now()):
        return True
    await unsubscribe(context, patient)
    while await jobs.keep(lease, context.now()):
        if await context.store.erase(patient, BATCH) == 0:
            await record_erased(context, Identity("Patient", patient), patient)
            return True
    return False


async def record_erased(context: Context, identity: Identity, patient: str) -> None:
    """Leaves the trace that something is gone, or about to be, in a patient's record."""
    now = context.now()
    name = f"erase-{identity.resource_id}"
    access = Access(SERVER, "delete", name, "", now, now, items=[Item(identity, patient=patient)])
    if context.trail:
        await context.trail.record(build_events(replace(access, patients=(patient,)), context.recorder))
