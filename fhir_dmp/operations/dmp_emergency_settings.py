"""$dmp-emergency-settings: what the patient settled for an emergency, read (GET) and set (POST).

https://fhir-dmp.fr/OperationDefinition/dmp-emergency-settings (profiles/dmp), CSP L1111-17 III: the SAMU's regulator
and who breaks the glass read a record unless the patient refused it; what he masked they read if he allowed it. The
settings are Consents, which are written anew where one changes; a Consent that says more than a setting stays.
"""

from __future__ import annotations

from dataclasses import replace

from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import read_states
from fhir_dmp.interactions.request import Memory, Request, Result
from fhir_dmp.json_text import JsonObject
from fhir_dmp.operations.choice import begin_act, check_chooser, end_consents, read_choosing, write_act
from fhir_dmp.operations.parameters import Inputs, read_inputs
from fhir_dmp.operations.record_act import answer_act, build_first, run_act, traced_act
from fhir_dmp.outcome import Category, error
from fhir_dmp.record.choices import EmergencySettings, build_settings, find_settings, settings_of
from fhir_dmp.record.deciding import Role
from fhir_dmp.store.port import Writer

DEFINITION = "https://fhir-dmp.fr/OperationDefinition/dmp-emergency-settings"
_ROLES = frozenset({Role.HOLDER})
_KNOWN = ("regulation", "break-glass", "masked-documents")


@traced_act
async def tell_settings(context: Context, request: Request) -> Result:
    """Tells the settings; raises FhirError where they are not the requester's to know."""
    return await _settle(context, request, read_inputs(context, request, ()), "read")


@traced_act
async def change_settings(context: Context, request: Request) -> Result:
    """Sets what is given, and tells the settings; raises FhirError, and then nothing is written."""
    return await _settle(context, request, read_inputs(context, request, _KNOWN), "update")


async def _settle(context: Context, request: Request, inputs: Inputs, interaction: str) -> Result:
    check_chooser(context, request, inputs, _ROLES)
    new_ids, provenance_id = [context.new_id(), context.new_id()], context.new_id()

    async def work(writer: Writer) -> Result:
        choosing = await read_choosing(context, request, writer, _ROLES, interaction=interaction)
        before = settings_of(choosing.state, context.now())
        wanted = _read(inputs, before)
        if wanted != before:
            act = begin_act(context, request, "emergency-settings")
            ended = await end_consents(context, writer, choosing, find_settings(choosing.state))
            built = zip(build_settings(act, wanted), new_ids, strict=False)
            changes = [*ended, *(build_first(context, consent, new_id) for consent, new_id in built)]
            await write_act(context, request, writer, act, changes, provenance_id)
            await _require(replace(context, reader=writer), request, wanted)
        return answer_act(_tell(wanted), [])

    return await run_act(context, work)


async def _require(context: Context, request: Request, wanted: EmergencySettings) -> None:
    """Raises FhirError where another Consent decides otherwise: what is told has to hold."""
    states = await read_states(context, replace(request, memory=Memory()), [request.resource_id])
    if not states or settings_of(states[0], context.now()) != wanted:
        message = "Another Consent of the patient decides about emergencies too: it has to change first."
        raise error(Category.CONFLICT, "setting-overridden", message)


def _read(inputs: Inputs, before: EmergencySettings) -> EmergencySettings:
    regulation, break_glass, masked = (inputs.boolean(name) for name in _KNOWN)
    return EmergencySettings(
        before.regulation if regulation is None else regulation,
        before.break_glass if break_glass is None else break_glass,
        before.masked_documents if masked is None else masked,
    )


def _tell(settings: EmergencySettings) -> list[JsonObject]:
    values = (settings.regulation, settings.break_glass, settings.masked_documents)
    return [{"name": name, "valueBoolean": value} for name, value in zip(_KNOWN, values, strict=True)]
