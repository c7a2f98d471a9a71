"""The end of a record: what a closed record holds is removed for good, batch by batch. CSP R1111-36.

The traces stay, and say that it was erased. A Patient whose place the holder took ($merge) goes with him. The job is
checked again before it begins: a record that is open is kept.
"""

from __future__ import annotations

from dataclasses import replace

from fhir_dmp.access.requester import SERVER
from fhir_dmp.audit.access import Access, Item
from fhir_dmp.audit.event import build_events
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate, read_states
from fhir_dmp.interactions.request import Request
from fhir_dmp.jobs.unsubscribe import unsubscribe
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.record.merging import find_replaced, is_merged
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
    for one in await _find_one_person(context, patient):
        if not await _erase_record(context, jobs, lease, one):
            return False
    return True


async def _find_one_person(context: Context, patient: str) -> list[str]:
    """The ids of a Patient and of those whose place he took; he is the last, as it is by his links that they are found.

    Nothing else leads to them: their names and numbers would stay for ever.
    """
    found, waiting = [patient], [await _read(context, patient)]
    while waiting:
        target = waiting.pop()
        for name in find_replaced(target):
            # who is known is not read again
            source = {} if name in found else await _read(context, name)
            if source and is_merged(source, target):
                found.append(name)
                waiting.append(source)
    return found[::-1]


async def _read(context: Context, patient: str) -> JsonObject:
    """The Patient as he is, empty where he is no more."""
    identity = Identity("Patient", patient)
    everything = await open_gate(context, Request(SERVER, "Patient"), "read")
    found = (await context.reader.read_latest((identity,), everything)).get(identity)
    return parse_json_object(found.content) if found and found.content else {}


async def _erase_record(context: Context, jobs: Jobs, lease: Lease, patient: str) -> bool:
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
