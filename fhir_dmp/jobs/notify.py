"""The patient is told that his record was updated by something that he does not see yet (CSP R1111-53).

The job is looked at again when it is due: what was announced meanwhile, withdrawn or replaced is told to nobody.
"""

from __future__ import annotations

from dataclasses import replace

from fhir_dmp.access.requester import SERVER
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.audit.update_notice import build_update_notice, write_update_notice_id
from fhir_dmp.instant import Milliseconds
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.create import first_version
from fhir_dmp.interactions.gate import open_gate, read_states
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.record.labels import visibility_of
from fhir_dmp.resource import Identity, Version
from fhir_dmp.search.sensitivity import HIDDEN_FROM_REPRESENTATIVES
from fhir_dmp.store.job_port import Jobs, Lease
from fhir_dmp.store.port import Writer

_NOTICE = "Communication"
_WHILE_CLOSED = 3_600_000
"""Milliseconds after which a closed record is looked at again."""
_WITHDRAWN = frozenset({"entered-in-error", "superseded", "cancelled"})


async def notify(context: Context, jobs: Jobs, lease: Lease) -> bool:
    """Tells the patient of the item that a job names; returns False where it is not done.

    Another worker took the job over, or the record is closed.
    """
    identity = Identity(*lease.job.subject.split("/"))
    request = Request(SERVER, identity.resource_type)
    everything = await open_gate(context, request, "read")
    found = (await context.reader.read((identity,), everything)).get(identity)
    if not await jobs.keep(lease, context.now()):
        return False
    opens = _find_opening(context, found) if found else None
    if found is None or opens is None:
        return True
    if not await _is_open(context, found.patient):
        # closed now, it may be open again, or its items another record's, before he sees it by himself
        await jobs.give_back(lease, context.now() + _WHILE_CLOSED)
        return False
    await _tell(context, request, found, opens)
    return True


def _find_opening(context: Context, version: Version) -> Milliseconds | None:
    """When the patient will see it, None where he sees it already or never has to."""
    resource = parse_json_object(version.content or b"{}")
    opens = context.indexer.facts(resource).security.opens
    is_told = resource.get("status") in _WITHDRAWN or opens is None or opens <= context.now()
    return None if is_told else opens


async def _is_open(context: Context, patient: str) -> bool:
    states = await read_states(context, Request(SERVER), [patient])
    return bool(states) and states[0].is_open(context.now())


async def _tell(context: Context, request: Request, version: Version, opens: Milliseconds) -> None:
    is_secret = HIDDEN_FROM_REPRESENTATIVES in visibility_of(parse_json_object(version.content or b"{}"))
    notice = build_update_notice(version.patient, opens, context.now(), context.zone, is_secret=is_secret)
    identity = Identity(_NOTICE, write_update_notice_id(version.identity))
    everything = await open_gate(context, replace(request, resource_type=_NOTICE), "read")
    await context.store.transact(lambda writer: _write(context, writer, everything, notice, identity))


async def _write(
    context: Context, writer: Writer, everything: Restriction, notice: JsonObject, identity: Identity
) -> None:
    if identity not in await writer.read_latest((identity,), everything):
        await writer.write([first_version(context, notice, identity)])
