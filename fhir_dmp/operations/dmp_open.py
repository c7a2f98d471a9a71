"""$dmp-open: a person gets a DMP, by himself, a physician, a pharmacist, the fund, or by law.

https://fhir-dmp.fr/OperationDefinition/dmp-open (profiles/dmp), CSP L1111-13-1. The Patient, the Consents and the
Provenance are written in one transaction. A second opening gets the same answer and writes nothing; what may be the
same person, or contradicts what is here, is told as a conflict and left as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from fhir_dmp.access.requester import Kind
from fhir_dmp.interactions.content import within
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.interactions.validity import require_valid
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.operations.authorised import read_authorised
from fhir_dmp.operations.parameters import Inputs, missing, read_inputs
from fhir_dmp.operations.record_act import (
    answer_act,
    as_server,
    build_first,
    build_next,
    check_scope,
    read_holder,
    refuse_act,
    run_act,
    traced_act,
)
from fhir_dmp.operations.same_person import find_same_person, guard_keys
from fhir_dmp.outcome import Category, FhirError, Issue, error
from fhir_dmp.record.closing import is_closed_on_purpose
from fhir_dmp.record.consents import CHANNELS, Act, build_access_consent, build_provenance
from fhir_dmp.record.identity import find_identity_faults, require_qualified
from fhir_dmp.record.lifecycle import Channel, channel_of
from fhir_dmp.record.opening import Finding, find_foreign_elements, open_patient
from fhir_dmp.record.traits import read_traits
from fhir_dmp.resource import Identity, Version
from fhir_dmp.statistics.department import department_of
from fhir_dmp.statistics.figures import Opening
from fhir_dmp.statistics.periods import month_of
from fhir_dmp.store.port import Change, Writer
from fhir_dmp.validation.validate import validate_structure

DEFINITION = "https://fhir-dmp.fr/OperationDefinition/dmp-open"
MOST_TOLD = 20
"""How many identities that may be the same the fund is told of."""
_OF_ALL = ("channel", "consent", "authorized")
_FUND = frozenset({Kind.ADMINISTRATOR, Kind.SYSTEM})


@dataclass(frozen=True, slots=True)
class _Opening:
    """What is asked: by which channel, whom the person lets read, and the ids that what is written would get."""

    channel: Channel
    authorised: tuple[JsonObject, ...]
    patient_id: str
    ids: tuple[str, ...]


@traced_act
async def dmp_open(context: Context, request: Request) -> Result:
    """Opens a record for the person in the parameter `patient`; raises FhirError, and then nothing is written."""
    inputs = read_inputs(context, request, (*_OF_ALL, "patient", "distinct"))
    channel = _admit(context, request, inputs)
    if channel is Channel.PATIENT:
        message = "A person opens his own record: ask it of his Patient, Patient/[id]/$dmp-open."
        raise error(Category.FORBIDDEN, "not-allowed", message)
    patient, at = read_person(context, inputs)
    opened = open_patient(patient)
    _check_identity(context, request, opened, at)
    await require_valid(context, as_server(request), opened, at=at)
    opening = await _read_opening(context, request, inputs, channel, context.new_id())
    first = build_first(context, opened, opening.patient_id)
    if first.facts:
        await check_scope(context, request, "create", first.facts)

    async def work(writer: Writer) -> Result:
        await writer.guard(guard_keys(read_traits(opened)))
        same = await find_same_person(context, request, writer, opened)
        existing = same.found.existing
        if existing and existing.is_open and not same.found.is_contradictory:
            identity = Identity("Patient", existing.patient_id)
            known = await writer.read((identity,), same.restriction)
            return _answer(identity, tuple(known.values()))
        _refuse_doubt(request, same.found, is_distinct=inputs.boolean("distinct") is True)
        change = build_first(context, opened, opening.patient_id)
        return await _write(context, request, writer, opening, change)

    return await run_act(context, work)


@traced_act
async def dmp_open_own(context: Context, request: Request) -> Result:
    """Opens the record of a Patient who is here already: asked by him, for him, or by the fund."""
    inputs = read_inputs(context, request, _OF_ALL)
    channel = _admit(context, request, inputs)
    if channel in {Channel.PHYSICIAN, Channel.PHARMACY}:
        raise refuse_act()
    opening = await _read_opening(context, request, inputs, channel, request.resource_id)

    async def work(writer: Writer) -> Result:
        holder = await read_holder(context, request, writer)
        if holder.state.is_open(context.now()):
            return _answer(request.identity, (holder.version,))
        if is_closed_on_purpose(holder.resource):
            message = "The record was closed: $dmp-reopen opens it again."
            raise error(Category.CONFLICT, "record-closed", message)
        opened = open_patient(holder.resource)
        faults = find_identity_faults(opened, today(context))
        if faults:
            raise FhirError(Category.UNPROCESSABLE, *faults)
        return await _write(context, request, writer, opening, build_next(context, opened, holder.version))

    return await run_act(context, work)


def _admit(context: Context, request: Request, inputs: Inputs) -> Channel:
    """Returns by which channel it is opened; raises FhirError for who may not, or without the person's consent."""
    check_exposed(context, request, "operation")
    channel = channel_of(request.requester, inputs.text("channel"))
    if channel is None:
        raise refuse_act()
    if inputs.boolean("consent") is not True and channel is not Channel.AUTOMATIC:
        message = "A record is opened once the person was informed and agreed: consent has to be true."
        given = inputs.one("consent")
        raise error(Category.UNPROCESSABLE, "consent-needed", message, given.at if given else "")
    return channel


def read_person(context: Context, inputs: Inputs) -> tuple[JsonObject, str]:
    """Returns who the person is, and where that stands in the body; raises FhirError for what is no identity alone."""
    given, patient = inputs.one("patient"), inputs.resource("patient")
    if given is None or patient is None:
        raise missing("patient")
    at = f"{given.at}.resource"
    if patient.get("resourceType") != "Patient":
        raise error(Category.MALFORMED, "resource-type", "The parameter patient has to be a Patient.", at)
    issues = [within(issue, "Patient", at) for issue in validate_structure(patient, context.schemas)]
    if issues:
        raise FhirError(Category.MALFORMED, *issues)
    foreign = [within(issue, "Patient", at) for issue in find_foreign_elements(patient)]
    if foreign:
        raise FhirError(Category.UNPROCESSABLE, *foreign)
    return patient, at


def _check_identity(context: Context, request: Request, patient: JsonObject, at: str) -> None:
    """Raises FhirError for an identity that does not hold together; only the fund opens for a provisional one."""
    faults = list(find_identity_faults(patient, today(context)))
    if request.requester.kind not in _FUND:
        faults += [issue for issue in require_qualified(patient) if issue not in faults]
    if faults:
        raise FhirError(Category.UNPROCESSABLE, *(within(issue, "Patient", at) for issue in faults))


async def _read_opening(
    context: Context, request: Request, inputs: Inputs, channel: Channel, patient_id: str
) -> _Opening:
    authorised = await read_authorised(context, request, inputs)
    act = _act(context, request, channel, patient_id)
    for reference, at in authorised:
        await require_valid(context, as_server(request), build_access_consent(act, reference), at=at)
    ids = tuple(context.new_id() for _ in range(len(authorised) + 1))
    return _Opening(channel, tuple(reference for reference, _ in authorised), patient_id, ids)


async def _write(context: Context, request: Request, writer: Writer, opening: _Opening, patient: Change) -> Result:
    act = _act(context, request, opening.channel, opening.patient_id)
    built = [build_access_consent(act, reference) for reference in opening.authorised]
    consents = [build_first(context, row, name) for row, name in zip(built, opening.ids, strict=False)]
    targets = [str(change.version.identity) for change in (patient, *consents)]
    provenance = build_first(context, build_provenance(act, targets), opening.ids[-1])
    changes = [patient, *consents, provenance]
    await writer.write(changes)
    resource = parse_json_object(patient.version.content or b"{}")
    opened = Opening(month_of(today(context)), department_of(resource), opening.channel.value)
    await writer.count_opening(opened)
    return _answer(patient.version.identity, tuple(change.version for change in changes))


def _act(context: Context, request: Request, channel: Channel, patient_id: str) -> Act:
    reason = {"system": CHANNELS, "code": channel.value}
    return Act("open", request.requester, patient_id, context.now(), context.base_url, reason)


def _refuse_doubt(request: Request, finding: Finding, *, is_distinct: bool) -> None:
    """Raises FhirError where it is not certain who the person is. Others than the fund learn no more than that.

    A closed record, one whose traits contradict, two with one matricule: all have the same answer.
    """
    doubts = finding.doubts
    if request.requester.kind in _FUND and (finding.existing or doubts) and not (is_distinct and not finding.existing):
        raise FhirError(Category.CONFLICT, *_tell_all(finding))
    if finding.existing or finding.is_contradictory:
        message = "The record cannot be opened here: the holder can do it, or the fund."
        raise error(Category.CONFLICT, "opening-refused", message)
    if doubts and not is_distinct:
        grade = doubts[0].comparison.grade.value
        message = f"An identity that is not qualified has these traits ({grade}): distinct says that it is another's."
        raise error(Category.CONFLICT, "identity-doubtful", message)


def _tell_all(finding: Finding) -> list[Issue]:
    issues = [
        Issue(
            "error",
            "identity-doubtful",
            f"Patient/{row.known.patient_id} may be the same person: {row.comparison.grade.value}, "
            f"{row.comparison.score:.2f}{', and contradicts it' if row.comparison.is_contradictory else ''}.",
            issue_type="duplicate",
        )
        for row in finding.doubts[:MOST_TOLD]
    ]
    if finding.existing:
        message = f"The record of Patient/{finding.existing.patient_id} is closed: $dmp-reopen opens it again."
        issues.insert(0, Issue("error", "record-closed", message))
    return issues


def _answer(identity: Identity, versions: tuple[Version, ...]) -> Result:
    """The same whether the record was there or not."""
    rows: list[JsonObject] = [
        {"name": "patient", "valueReference": {"reference": str(identity)}},
        {"name": "status", "valueCode": "open"},
    ]
    return answer_act(rows, versions)


def today(context: Context) -> date:
    """Returns the day that it is in the server's time zone."""
    return datetime.fromtimestamp(context.now() / 1000, UTC).astimezone(context.zone).date()
