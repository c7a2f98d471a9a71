"""What the acts on a record's life have in common: who may, the Patient as he is, the changes, and the trace of a try.

The Patient is read as the server reads him: a closed record is hidden from everyone else than its holder.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps

from fhir_dmp.access.reason import Reason, Rule
from fhir_dmp.access.record import RecordState
from fhir_dmp.access.requester import SERVER, Kind
from fhir_dmp.interactions.authorisation import facts_of
from fhir_dmp.interactions.context import Context, Run
from fhir_dmp.interactions.create import first_version
from fhir_dmp.interactions.gate import check_exposed, inquire, open_gate, read_states
from fhir_dmp.interactions.read import not_found
from fhir_dmp.interactions.refusal import AccessRefused
from fhir_dmp.interactions.request import Memory, Request, Result
from fhir_dmp.interactions.trace import record_attempt
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.operations.parameters import answer_parameters
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.record.lifecycle import is_entitled
from fhir_dmp.record.merging import is_replaced
from fhir_dmp.resource import Identity, Version, build_version
from fhir_dmp.search.facts import Facts
from fhir_dmp.search.match import matches
from fhir_dmp.store.job_port import JobKind
from fhir_dmp.store.port import Change, Writer

_DECIDING = frozenset({Kind.PATIENT, Kind.REPRESENTATIVE, Kind.ADMINISTRATOR, Kind.SYSTEM})


@dataclass(frozen=True, slots=True)
class Holder:
    """A stored Patient: the version, its resource, and the state of his record."""

    version: Version
    resource: JsonObject
    state: RecordState


def traced_act(run: Run) -> Run:
    """Returns an operation every refused try of which is in the trace too."""

    @wraps(run)
    async def tried(context: Context, request: Request) -> Result:
        try:
            return await run(context, request)
        except FhirError as fault:
            await record_attempt(context, "operation", request, fault)
            raise

    return tried


def as_server(request: Request) -> Request:
    """Returns the request as the server itself would make it."""
    return replace(request, requester=SERVER, memory=Memory())


def refuse_act() -> FhirError:
    """The answer for who may not; it depends on nothing that is stored."""
    return error(Category.FORBIDDEN, "not-allowed", "The requester may not do this.")


def check_kind(context: Context, request: Request) -> None:
    """Raises FhirError where such a requester never decides about the life of a record that exists."""
    check_exposed(context, request, "operation")
    if request.requester.kind not in _DECIDING:
        raise refuse_act()


async def check_scope(context: Context, request: Request, interaction: str, facts: Facts) -> None:
    """Raises FhirError (forbidden) where the token does not allow to write a Patient; the server itself has none."""
    if request.requester.kind is Kind.SYSTEM:
        return
    inquiry = await inquire(context, request, interaction)
    if not matches(inquiry.scope, facts):
        cause = AccessRefused(Reason(Rule.SCOPE), lacks_scope=inquiry.lacks_scope(facts.resource_type))
        raise error(Category.FORBIDDEN, "not-allowed", "The token does not allow this.") from cause


async def require_parted(writer: Writer, patient: str) -> None:
    """Raises FhirError (conflict) while a merge that a Patient was the source of is being undone."""
    if await writer.find_job(JobKind.MERGE, patient):
        raise error(Category.CONFLICT, "identity-merged", "A merge of this Patient is being undone.")


async def read_holder(context: Context, request: Request, writer: Writer) -> Holder:
    """Returns the Patient that the URL names; raises FhirError: not found, or not for this requester to decide."""
    inside = replace(context, reader=writer)
    restriction = await open_gate(inside, as_server(request), "read")
    version = (await writer.read((request.identity,), restriction)).get(request.identity)
    states = await read_states(inside, replace(request, memory=Memory()), [request.resource_id]) if version else []
    state = states[0] if states else None
    is_his = is_entitled(request.requester, request.resource_id, state, context.now())
    if version is None or state is None or request.requester.patient_id not in {"", request.resource_id}:
        raise not_found(request.identity)
    if not is_his:
        raise refuse_act()
    resource = parse_json_object(version.content or b"{}")
    if is_replaced(resource):
        raise error(Category.CONFLICT, "identity-merged", "Another Patient took the place of this one.")
    await require_parted(writer, request.resource_id)
    await check_scope(context, request, "update", context.indexer.facts(resource))
    return Holder(version, resource, state)


def build_next(context: Context, resource: JsonObject, previous: Version) -> Change:
    """Builds the change after a version."""
    stamped, version = build_version(resource, previous.identity, previous, "PUT", context.now())
    facts = context.indexer.facts(stamped)
    return Change(version._replace(patient=facts.patient or ""), previous, facts, facts_of(context, previous))


def build_first(context: Context, resource: JsonObject, resource_id: str) -> Change:
    """Builds the change that creates a resource."""
    return first_version(context, resource, Identity(resource["resourceType"], resource_id))


def answer_act(rows: Sequence[JsonObject], versions: Sequence[Version]) -> Result:
    """Returns the Result of an act; the trace names the versions that it read or wrote."""
    return replace(answer_parameters(rows), versions=tuple(versions))


async def run_act(context: Context, work: Callable[[Writer], Awaitable[Result]]) -> Result:
    """Runs an act in one transaction: all of it is done, or nothing."""
    return await context.store.transact(work)
