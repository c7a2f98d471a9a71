"""$dmp-close: the holder closes his record, or the fund after a death; $dmp-reopen opens it again.

https://fhir-dmp.fr/OperationDefinition/dmp-close, dmp-reopen, dmp-delete-request (profiles/dmp), CSP R1111-36. A closed
record is kept for ten years, a dated job erases it then; one that is to be deleted goes within three months. Each act
leaves a Provenance, and an act that is done already changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from fhir_dmp.instant import Milliseconds, write_instant
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.json_text import JsonObject
from fhir_dmp.operations.parameters import Inputs, read_inputs
from fhir_dmp.operations.record_act import (
    Holder,
    answer_act,
    build_first,
    build_next,
    check_kind,
    read_holder,
    run_act,
    traced_act,
)
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.record.closing import (
    CLOSINGS,
    close_patient,
    find_death_faults,
    is_closed_on_purpose,
    is_dead,
    reopen_patient,
)
from fhir_dmp.record.consents import Act, build_provenance
from fhir_dmp.record.lifecycle import Closing, end_of_deletion, end_of_keeping
from fhir_dmp.search.span import parse_span
from fhir_dmp.store.job_port import Job, JobKind
from fhir_dmp.store.port import Writer

CLOSE = "https://fhir-dmp.fr/OperationDefinition/dmp-close"
REOPEN = "https://fhir-dmp.fr/OperationDefinition/dmp-reopen"
DELETE_REQUEST = "https://fhir-dmp.fr/OperationDefinition/dmp-delete-request"
LONGEST_COMMENT = 1_000


@dataclass(frozen=True, slots=True)
class _Asked:
    """Why a record is to be closed; `died` is the date of death, and `at` its place in the body."""

    reason: Closing
    comment: str = ""
    died: str = ""
    at: str = ""


@traced_act
async def dmp_close(context: Context, request: Request) -> Result:
    """Closes a record; raises FhirError, and then nothing is written."""
    check_kind(context, request)
    asked = _read_closing(context, read_inputs(context, request, ("reason", "comment", "deceased")))
    provenance_id = context.new_id()

    async def work(writer: Writer) -> Result:
        holder = await read_holder(context, request, writer)
        is_closed = is_closed_on_purpose(holder.resource) and not holder.state.is_open(context.now())
        if is_closed and (not asked.died or is_dead(holder.resource)):
            return await _tell(writer, holder)
        patient = _with_death(context, holder.resource, asked)
        if is_closed:
            # who dies later closed it before: it was kept from then on, and now nobody reopens it
            closed: JsonObject = {**patient, "active": False}
        else:
            closed = close_patient(patient, asked.reason, asked.comment, context.now())
            await writer.schedule(_erasing(request, end_of_keeping(context.now())))
        reason = {"system": CLOSINGS, "code": asked.reason.value}
        done = await _change(context, request, writer, holder, closed, _Step("close", provenance_id, reason))
        return await _tell(writer, done)

    return await run_act(context, work)


@traced_act
async def dmp_reopen(context: Context, request: Request) -> Result:
    """Opens a closed record again, with all that was in it; raises FhirError once it is to be erased."""
    check_kind(context, request)
    read_inputs(context, request, ())
    provenance_id = context.new_id()

    async def work(writer: Writer) -> Result:
        holder = await read_holder(context, request, writer)
        if holder.state.is_open(context.now()):
            return await _tell(writer, holder)
        if is_dead(holder.resource):
            raise error(Category.CONFLICT, "record-closed", "The record of a person who died stays closed.")
        if not is_closed_on_purpose(holder.resource):
            raise error(Category.CONFLICT, "record-closed", "The record was never opened: $dmp-open opens it.")
        job = await writer.find_job(JobKind.ERASE, request.resource_id)
        if job and (job.is_held or job.attempts or job.due <= context.now()):
            raise error(Category.CONFLICT, "record-closed", "The record is being erased.")
        await writer.cancel(JobKind.ERASE, request.resource_id)
        opened = reopen_patient(holder.resource)
        done = await _change(context, request, writer, holder, opened, _Step("reopen", provenance_id))
        return await _tell(writer, done)

    return await run_act(context, work)


@traced_act
async def dmp_delete_request(context: Context, request: Request) -> Result:
    """Has a record erased within three months, and closes it at once where it is open; $dmp-reopen takes it back."""
    check_kind(context, request)
    inputs = read_inputs(context, request, ("confirmed",))
    if inputs.boolean("confirmed") is not True:
        message = "What is erased cannot be had back: confirmed has to be true."
        raise error(Category.UNPROCESSABLE, "consent-needed", message)
    provenance_id = context.new_id()

    async def work(writer: Writer) -> Result:
        holder = await read_holder(context, request, writer)
        job = await writer.find_job(JobKind.ERASE, request.resource_id)
        due = end_of_deletion(context.now())
        if job and job.due <= due:
            return await _tell(writer, holder)
        await writer.schedule(_erasing(request, due))
        is_open = holder.state.is_open(context.now())
        closed = close_patient(holder.resource, Closing.DELETION, "", context.now()) if is_open else None
        done = await _change(context, request, writer, holder, closed, _Step("delete-request", provenance_id))
        return await _tell(writer, done)

    return await run_act(context, work)


@dataclass(frozen=True, slots=True)
class _Step:
    """An act: its code, the id of its Provenance, and why."""

    code: str
    provenance_id: str
    reason: JsonObject | None = None


async def _change(
    context: Context, request: Request, writer: Writer, holder: Holder, patient: JsonObject | None, step: _Step
) -> Holder:
    """Writes the Patient, where he changes, and the Provenance; returns him as he is then."""
    now = context.now()
    changes = [build_next(context, patient, holder.version)] if patient else []
    act = Act(step.code, request.requester, request.resource_id, now, context.base_url, step.reason)
    provenance = build_first(context, build_provenance(act, [str(request.identity)]), step.provenance_id)
    await writer.write([*changes, provenance])
    if not changes:
        return holder
    closes = now if patient and patient["active"] is False else None
    return replace(holder, version=changes[0].version, state=replace(holder.state, closes=closes))


async def _tell(writer: Writer, holder: Holder) -> Result:
    """The state of the record, and when it is erased."""
    job = await writer.find_job(JobKind.ERASE, holder.state.patient_id)
    rows: list[JsonObject] = [
        {"name": "patient", "valueReference": {"reference": str(holder.version.identity)}},
        {"name": "status", "valueCode": "open" if holder.state.closes is None else "closed"},
    ]
    if job:
        rows.append({"name": "erased", "valueInstant": write_instant(job.due)})
    return answer_act(rows, [holder.version])


def _erasing(request: Request, due: Milliseconds) -> Job:
    return Job(JobKind.ERASE, request.resource_id, due, {})


def _read_closing(context: Context, inputs: Inputs) -> _Asked:
    code, given = inputs.text("reason") or Closing.REQUEST.value, inputs.one("deceased")
    known = {Closing.REQUEST.value: Closing.REQUEST, Closing.DEATH.value: Closing.DEATH}
    died, at = inputs.text("deceased"), given.at if given else ""
    if code not in known:
        raise error(Category.INVALID_PARAMETER, "parameter-value", f"reason has to be one of {', '.join(known)}.")
    if bool(died) != (code == Closing.DEATH.value):
        message = "A death, and nothing else, is told with its date: deceased."
        raise error(Category.INVALID_PARAMETER, "parameter-missing", message, at)
    if died and parse_span(died, context.zone) is None:
        raise error(Category.INVALID_PARAMETER, "parameter-value", "deceased has to be a dateTime.", at)
    return _Asked(known[code], inputs.text("comment", LONGEST_COMMENT), died, at)


def _with_death(context: Context, patient: JsonObject, asked: _Asked) -> JsonObject:
    if not asked.died:
        return patient
    today = datetime.fromtimestamp(context.now() / 1000, UTC).astimezone(context.zone).date().isoformat()
    faults = find_death_faults(patient, asked.died, today, asked.at)
    if faults:
        raise FhirError(Category.UNPROCESSABLE, *faults)
    rest = {name: value for name, value in patient.items() if name != "deceasedBoolean"}
    return {**rest, "deceasedDateTime": asked.died}
