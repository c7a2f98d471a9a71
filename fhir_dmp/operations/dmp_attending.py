"""$dmp-attending: the médecin traitant, declared or changed; $dmp-name-administrator and -remove-administrator.

https://fhir-dmp.fr/OperationDefinition/dmp-attending, dmp-name-administrator, dmp-remove-administrator (profiles/dmp),
CSP L1111-16. They stand on the Patient, so that access/record reads them: generalPractitioner, dmp-administrator.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from fhir_dmp.access.requester import Kind
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.interactions.validity import require_valid
from fhir_dmp.json_text import JsonObject
from fhir_dmp.operations.choice import (
    Choosing,
    begin_act,
    change_patient,
    check_chooser,
    read_choosing,
    require_self,
    write_act,
)
from fhir_dmp.operations.dmp_authorize import require_unblocked
from fhir_dmp.operations.parameters import read_inputs
from fhir_dmp.operations.party import open_directory, read_party, require_physician
from fhir_dmp.operations.record_act import answer_act, as_server, refuse_act, run_act, traced_act
from fhir_dmp.outcome import Category, error
from fhir_dmp.record.choices import Party, declare_attending, name_administrator, remove_administrator
from fhir_dmp.record.deciding import Role
from fhir_dmp.record.lifecycle import PHYSICIAN
from fhir_dmp.store.port import Writer

DECLARE = "https://fhir-dmp.fr/OperationDefinition/dmp-attending"
NAME = "https://fhir-dmp.fr/OperationDefinition/dmp-name-administrator"
REMOVE = "https://fhir-dmp.fr/OperationDefinition/dmp-remove-administrator"
_DECLARING = frozenset({Role.HOLDER, Role.ATTENDING, Role.COLLECTING, Role.FUND})
_NAMING = frozenset({Role.HOLDER})
_PROFESSIONAL = frozenset({Role.ATTENDING, Role.COLLECTING})


@traced_act
async def dmp_attending(context: Context, request: Request) -> Result:
    """Declares the médecin traitant; raises FhirError where there is another one and `replace` is not true."""
    inputs = read_inputs(context, request, ("professional", "replace", "consent"))
    check_chooser(context, request, inputs, _DECLARING)
    replaces = inputs.boolean("replace") is True
    if replaces and request.requester.kind is Kind.PRACTITIONER:
        # he would see all that is masked, on his own word alone
        raise refuse_act()
    party = await read_party(context, request, inputs, is_person=True)
    await require_physician(await open_directory(context, request), party)
    provenance_id = context.new_id()

    async def work(writer: Writer) -> Result:
        choosing = await read_choosing(context, request, writer, _DECLARING, kept_in="Patient")
        require_self(choosing, party)
        if choosing.role in _PROFESSIONAL and request.requester.profession != PHYSICIAN:
            raise refuse_act()
        await require_unblocked(context, choosing, party)
        attending = choosing.state.attending
        is_done = not party.texts.isdisjoint(attending)
        if attending and not is_done and not replaces:
            message = "There is a médecin traitant already: replace has to be true."
            raise error(Category.CONFLICT, "attending-exists", message, party.at)
        patient = None if is_done else declare_attending(choosing.patient, party)
        return await _finish(context, request, writer, choosing, _Step("attending", patient, provenance_id, party))

    return await run_act(context, work)


@traced_act
async def dmp_name_administrator(context: Context, request: Request) -> Result:
    """Gives a professional the rights of a médecin traitant; raises FhirError, and then nothing is written."""

    async def change(choosing: Choosing, party: Party) -> JsonObject | None:
        await require_unblocked(context, choosing, party)
        is_done = not party.texts.isdisjoint(choosing.state.administrators)
        return None if is_done else name_administrator(choosing.patient, party)

    return await _administer(context, request, "name-administrator", change)


@traced_act
async def dmp_remove_administrator(context: Context, request: Request) -> Result:
    """Takes these rights back; raises FhirError, and then nothing is written."""

    async def change(choosing: Choosing, party: Party) -> JsonObject | None:
        is_done = party.texts.isdisjoint(choosing.state.administrators)
        return None if is_done else remove_administrator(choosing.patient, party, context.reading)

    return await _administer(context, request, "remove-administrator", change)


@dataclass(frozen=True, slots=True)
class _Step:
    """An act on the Patient: its code, what he becomes (None where he stays), its Provenance's id and whom it names."""

    code: str
    patient: JsonObject | None
    provenance_id: str
    party: Party


async def _administer(
    context: Context, request: Request, code: str, change: Callable[[Choosing, Party], Awaitable[JsonObject | None]]
) -> Result:
    inputs = read_inputs(context, request, ("professional",))
    check_chooser(context, request, inputs, _NAMING)
    party = await read_party(context, request, inputs, is_person=True)
    provenance_id = context.new_id()

    async def work(writer: Writer) -> Result:
        choosing = await read_choosing(context, request, writer, _NAMING, kept_in="Patient")
        step = _Step(code, await change(choosing, party), provenance_id, party)
        return await _finish(context, request, writer, choosing, step)

    return await run_act(context, work)


async def _finish(context: Context, request: Request, writer: Writer, choosing: Choosing, step: _Step) -> Result:
    if step.patient:
        await require_valid(replace(context, reader=writer), as_server(request), step.patient, at=step.party.at)
    changes = [change_patient(context, choosing, step.patient)] if step.patient else []
    await write_act(context, request, writer, begin_act(context, request, step.code), changes, step.provenance_id)
    rows: list[JsonObject] = [
        {"name": "professional", "valueReference": step.party.reference},
        {"name": "status", "valueCode": step.code},
    ]
    return answer_act(rows, [changes[0].version if changes else choosing.version])
