"""What the operations have in common by which something is decided about an open record.

Who does not decide about it is told that it is not here, whether it is or not; who never does, that he may not.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from fhir_dmp.access.closure import Closure
from fhir_dmp.access.record import RecordState
from fhir_dmp.access.requester import Kind
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed, inquire, open_gate, read_states
from fhir_dmp.interactions.read import not_found
from fhir_dmp.interactions.request import Memory, Request
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.operations.parameters import Inputs
from fhir_dmp.operations.record_act import as_server, build_first, build_next, check_scope, refuse_act
from fhir_dmp.outcome import Category, error
from fhir_dmp.record.choices import Party, end_for
from fhir_dmp.record.consents import Act, build_provenance
from fhir_dmp.record.deciding import Role, role_in
from fhir_dmp.record.labels import label_codings
from fhir_dmp.resource import Identity, Version
from fhir_dmp.search.facts import Facts
from fhir_dmp.search.sensitivity import MASKED
from fhir_dmp.store.port import Change, Writer

_KINDS = {
    Role.HOLDER: frozenset({Kind.PATIENT, Kind.REPRESENTATIVE, Kind.SYSTEM}),
    Role.ATTENDING: frozenset({Kind.PRACTITIONER}),
    Role.COLLECTING: frozenset({Kind.PRACTITIONER}),
    Role.FUND: frozenset({Kind.ADMINISTRATOR}),
}


@dataclass(frozen=True, slots=True)
class Choosing:
    """Someone who decides about a record: as what, the Patient as he is stored, and the state of the record."""

    role: Role
    closure: Closure
    version: Version
    patient: JsonObject
    state: RecordState
    restriction: Restriction
    """That of the server: what is decided about is read as it is."""


def check_chooser(context: Context, request: Request, inputs: Inputs, roles: Collection[Role]) -> None:
    """Raises FhirError where such a requester never decides this, or a professional says nothing of the consent."""
    check_exposed(context, request, "operation")
    kind = request.requester.kind
    if not any(kind in _KINDS[role] for role in roles):
        raise refuse_act()
    given = inputs.one("consent")
    if kind is Kind.PRACTITIONER and inputs.boolean("consent") is not True:
        message = "The patient decides: consent has to be true, he was informed and agrees."
        raise error(Category.UNPROCESSABLE, "consent-needed", message, given.at if given else "")


async def read_choosing(
    context: Context,
    request: Request,
    writer: Writer,
    roles: Collection[Role],
    *,
    kept_in: str = "Consent",
    interaction: str = "update",
) -> Choosing:
    """Returns who decides about the record that the URL names; raises FhirError: not found, or it is closed.

    Two who decide about one record do it one after another. The token has to allow this interaction on the type that
    the choice is kept in, also where nothing changes: the answer tells what was chosen.
    """
    await writer.guard([f"choices:{request.resource_id}"])
    inside = replace(context, reader=writer)
    restriction = await open_gate(inside, as_server(request), "read")
    version = (await writer.read((request.identity,), restriction)).get(request.identity)
    fresh = replace(request, memory=Memory())
    closure = (await inquire(inside, fresh, "update")).closure
    states = await read_states(inside, fresh, [request.resource_id]) if version else []
    role = role_in(request.requester, closure, states[0], context.now()) if states else None
    if version is None or role is None or role not in roles:
        raise not_found(request.identity)
    await _check_token(context, request, kept_in, interaction)
    if not states[0].is_open(context.now()):
        raise error(Category.CONFLICT, "record-closed", "The record is closed.")
    return Choosing(role, closure, version, parse_json_object(version.content or b"{}"), states[0], restriction)


async def _check_token(context: Context, request: Request, kept_in: str, interaction: str) -> None:
    patient = request.resource_id
    about: JsonObject = {"id": patient} if kept_in == "Patient" else {"patient": {"reference": f"Patient/{patient}"}}
    await check_scope(context, request, interaction, context.indexer.facts({"resourceType": kept_in, **about}))


def begin_act(context: Context, request: Request, code: str) -> Act:
    """Returns the act of a requester on the record that the URL names; `code` is of dmp-act."""
    return Act(code, request.requester, request.resource_id, context.now(), context.base_url)


def require_self(choosing: Choosing, party: Party) -> None:
    """Raises FhirError where a professional records the consent for anyone but himself and his structure."""
    if choosing.role is Role.HOLDER or choosing.role is Role.FUND:
        return
    if party.texts.isdisjoint(choosing.closure.own | choosing.closure.organizations):
        raise refuse_act()


def change_patient(context: Context, choosing: Choosing, patient: JsonObject) -> Change:
    """Builds the change of the Patient."""
    return build_next(context, patient, choosing.version)


async def end_consents(
    context: Context, writer: Writer, choosing: Choosing, ids: Sequence[str], party: Party | None = None
) -> list[Change]:
    """Builds the changes by which Consents are no more about a party; without one they end altogether."""
    identities = [Identity("Consent", name) for name in sorted(set(ids))]
    found = await writer.read(identities, choosing.restriction) if identities else {}
    changes = []
    for version in found.values():
        consent = parse_json_object(version.content or b"{}")
        ended = end_for(consent, party, context.reading) if party else {**consent, "status": "inactive"}
        changes.append(build_next(context, ended, version))
    return changes


async def write_act(
    context: Context, request: Request, writer: Writer, act: Act, changes: Sequence[Change], provenance_id: str
) -> None:
    """Writes what an act changes, as far as the token allows it, with its Provenance; nothing where nothing changes.

    What the patient chose is not every reader's business: the Provenance is masked.
    """
    if not changes:
        return
    for change in changes:
        await check_change(context, request, change)
    targets = [f"Patient/{act.patient_id}", *(str(change.version.identity) for change in changes)]
    provenance = build_provenance(act, list(dict.fromkeys(targets)))
    masked: JsonObject = {**provenance, "meta": {"security": label_codings([MASKED])}}
    await writer.write([*changes, build_first(context, masked, provenance_id)])


async def check_change(context: Context, request: Request, change: Change) -> None:
    """Raises FhirError (forbidden) where the token does not allow a change, before or after."""
    interaction = "update" if change.previous else "create"
    parts: list[Facts | None] = [change.facts, change.previous_facts]
    for facts in parts:
        if facts:
            await check_scope(context, request, interaction, facts)
