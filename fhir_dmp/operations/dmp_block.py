"""$dmp-block: the patient shuts a professional or a structure out; $dmp-unblock takes it back.

https://fhir-dmp.fr/OperationDefinition/dmp-block, dmp-unblock (profiles/dmp). A block holds in emergencies too, and
ends what the patient had allowed, an administrator's rights too: once it is lifted, reading takes a new consent. Nobody
blocks the médecin traitant.
"""

from __future__ import annotations

from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import with_attending_known
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.json_text import JsonObject
from fhir_dmp.operations.choice import (
    Choosing,
    begin_act,
    change_patient,
    check_chooser,
    end_consents,
    read_choosing,
    write_act,
)
from fhir_dmp.operations.parameters import read_inputs
from fhir_dmp.operations.party import read_party, with_all_names
from fhir_dmp.operations.record_act import answer_act, build_first, run_act, traced_act
from fhir_dmp.outcome import Category, error
from fhir_dmp.record.choices import Party, build_block, find_blocks, find_permits, remove_administrator
from fhir_dmp.record.deciding import Role
from fhir_dmp.store.port import Change, Writer

BLOCK = "https://fhir-dmp.fr/OperationDefinition/dmp-block"
UNBLOCK = "https://fhir-dmp.fr/OperationDefinition/dmp-unblock"
_ROLES = frozenset({Role.HOLDER, Role.ATTENDING})
_KNOWN = ("professional", "consent")


@traced_act
async def dmp_block(context: Context, request: Request) -> Result:
    """Blocks; raises FhirError, and then nothing is written."""
    inputs = read_inputs(context, request, _KNOWN)
    check_chooser(context, request, inputs, _ROLES)
    party = await read_party(context, request, inputs)
    consent_id, provenance_id = context.new_id(), context.new_id()

    async def work(writer: Writer) -> Result:
        choosing = await read_choosing(context, request, writer, _ROLES)
        state, now = await with_attending_known(context, choosing.state), context.now()
        if not party.texts.isdisjoint(state.attending):
            message = "The médecin traitant is not blocked: $dmp-attending declares another one first."
            raise error(Category.CONFLICT, "attending-not-blockable", message, party.at)
        blocked = find_blocks(state.directives, party, now)
        if blocked:
            return _answer("blocked", blocked[0].consent)
        act = begin_act(context, request, "block")
        known = await with_all_names(context, party)
        permits = [row.consent for row in find_permits(state.directives, known)]
        ended = await end_consents(context, writer, choosing, permits, known)
        ended += _end_administration(context, choosing, known)
        block = build_first(context, build_block(act, party), consent_id)
        await write_act(context, request, writer, act, [block, *ended], provenance_id)
        return _answer("blocked", consent_id)

    return await run_act(context, work)


@traced_act
async def dmp_unblock(context: Context, request: Request) -> Result:
    """Lifts every block of a party; raises FhirError, and then nothing is written."""
    inputs = read_inputs(context, request, _KNOWN)
    check_chooser(context, request, inputs, _ROLES)
    party = await read_party(context, request, inputs)
    provenance_id = context.new_id()

    async def work(writer: Writer) -> Result:
        choosing = await read_choosing(context, request, writer, _ROLES)
        known = await with_all_names(context, party)
        blocked = [row.consent for row in find_blocks(choosing.state.directives, known, context.now())]
        changes = await end_consents(context, writer, choosing, blocked, known)
        act = begin_act(context, request, "unblock")
        await write_act(context, request, writer, act, changes, provenance_id)
        return _answer("unblocked")

    return await run_act(context, work)


def _end_administration(context: Context, choosing: Choosing, party: Party) -> list[Change]:
    """The Patient without an administrator who is blocked; unblocked, he would see all that is masked."""
    if party.texts.isdisjoint(choosing.state.administrators):
        return []
    return [change_patient(context, choosing, remove_administrator(choosing.patient, party, context.reading))]


def _answer(status: str, consent_id: str = "") -> Result:
    rows: list[JsonObject] = [{"name": "status", "valueCode": status}]
    if consent_id:
        rows.insert(0, {"name": "consent", "valueReference": {"reference": f"Consent/{consent_id}"}})
    return answer_act(rows, [])
