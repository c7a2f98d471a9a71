"""Who is told that a record was opened in an emergency: the patient and his médecin traitant (CSP R1111-48).

Their notices are stored before the answer leaves that gives the first thing away, one for each emergency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from fhir_dmp.access.requester import SERVER
from fhir_dmp.audit.access import Access
from fhir_dmp.audit.code import PROFESSION
from fhir_dmp.audit.event import labels_of, patient_of
from fhir_dmp.audit.notice import build_notice, opened_in_emergency, write_notice_id
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.create import first_version
from fhir_dmp.interactions.gate import open_gate, read_states
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import JsonObject
from fhir_dmp.resource import Identity
from fhir_dmp.store.port import Writer

_NOTICE = "Communication"


async def notify_of_emergency(context: Context, request: Request, access: Access, events: Sequence[JsonObject]) -> None:
    """Stores the notices of an access that are not there yet; `events` are those that it left, with their ids."""
    for patient in sorted(opened_in_emergency(access)) if events else ():
        # the event that everyone may see who reads the trace, where there is one
        own = sorted((event for event in events if patient_of(event) == patient), key=lambda row: bool(labels_of(row)))
        await _notify(context, request, access, patient, own[0])


async def _notify(context: Context, request: Request, access: Access, patient: str, event: JsonObject) -> None:
    recipients = [f"Patient/{patient}"]
    for state in await read_states(context, request, [patient]):
        recipients += sorted(state.attending)
    wanted = {Identity(_NOTICE, write_notice_id(access, patient, recipient)): recipient for recipient in recipients}
    everything = await open_gate(context, replace(request, requester=SERVER, resource_type=_NOTICE), "read")
    if len(await context.store.read(wanted, everything)) == len(wanted):
        return
    write = partial(build_notice, event, patient, zone=context.zone, professions=name_professions(context))

    async def work(writer: Writer) -> None:
        # never twice, also where two requests of the same emergency are under way
        present = await writer.read_latest(wanted, everything)
        missing = {identity: recipient for identity, recipient in wanted.items() if identity not in present}
        notices = {identity: write(recipient) for identity, recipient in missing.items()}
        await writer.write([first_version(context, notice, identity) for identity, notice in notices.items()])

    await context.store.transact(work)


def name_professions(context: Context) -> dict[str, str]:
    """Returns the professions of TRE_G15 by their codes, as they are written within a sentence."""
    known = context.rules().find(PROFESSION) or {}
    return {row["code"]: row["display"].lower() for row in known.get("concept", ()) if "display" in row}
