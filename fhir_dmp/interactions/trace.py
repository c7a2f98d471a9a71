"""The trace of an interaction: recorded, durably, before its answer leaves. CSP R1111-43, EHDS art. 9.

The one way from a route to its result, for single requests, the entries of a batch and those of a transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace

from fhir_dmp.access.decide import MAX_RECORDS
from fhir_dmp.access.inquiry import PUBLIC
from fhir_dmp.access.reason import Reason, Rule
from fhir_dmp.access.requester import Kind
from fhir_dmp.access.wording import SENTENCES
from fhir_dmp.audit.access import Access, Item, Label, Refusal
from fhir_dmp.audit.decision import Decision, build_decision
from fhir_dmp.audit.event import build_events
from fhir_dmp.interactions.binary import BINARY
from fhir_dmp.interactions.context import Context, Route
from fhir_dmp.interactions.gate import find_shown_with, judge_refused
from fhir_dmp.interactions.notices import notify_of_emergency
from fhir_dmp.interactions.refusal import AccessRefused, DepositRefused, StoredTold, find_refusal, is_refusal
from fhir_dmp.interactions.request import Request, Result, Status
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.outcome import FhirError
from fhir_dmp.record.labels import visibility_of
from fhir_dmp.resource import Version, is_id
from fhir_dmp.search.sensitivity import HIDDEN_FROM_PATIENT, HIDDEN_FROM_REPRESENTATIVES, VISIBILITY

_HIDING = frozenset({HIDDEN_FROM_PATIENT, HIDDEN_FROM_REPRESENTATIVES})
"""The labels that hide a resource from someone who reads the trace of the record."""
_INVISIBLE, _SECRET = b"INVISIBLE_", b"CONNEXION_SECRETE"
"""In capitals: in each of its spellings such a label has one of these."""
REFUSAL_SECONDS = 0.05
"""The least time that it takes to be told that a resource is not here: to find out why takes longer than nothing."""
_ABSENT = Refusal(Rule.OTHER_RECORD.value, SENTENCES[Rule.OTHER_RECORD][0])
_REFUSED_DEPOSIT = "What was to be deposited was refused for what it is."
_REFUSED_WRITE = "What was to be written does not go with what is stored."
_PATIENTS = frozenset({f"{name}{modifier}" for name in ("patient", "subject") for modifier in ("", ":Patient")})
"""The search parameters that name a patient by his id."""


async def run_traced(route: Route, context: Context, request: Request) -> Result:
    """Runs an interaction and records what it gave away or wrote; raises its FhirError once that is recorded too."""
    if not is_traced(request):
        return await route.run(context, request)
    soonest = _soonest()
    try:
        result = await _run(route, context, request)
    except FhirError as fault:
        await record_refusal(context, route.interaction, request, fault)
        if request.resource_id:
            await _wait_until(soonest)
        raise
    await record(context, [(route.interaction, request, result)])
    if request.resource_id and result.status is Status.NO_CONTENT:
        await _wait_until(soonest)
    return result


async def _run(route: Route, context: Context, request: Request) -> Result:
    """Runs an interaction. The events that others leave meanwhile may go out with its own."""
    if context.trail is None:
        return await route.run(context, request)
    context.trail.expect()
    try:
        return await route.run(context, request)
    finally:
        context.trail.excuse()


async def record_refused_entry(context: Context, interaction: str, request: Request, fault: FhirError) -> None:
    """Records that an entry of a transaction was refused, and the whole of it with it.

    Takes as long whether there was something or not, however long the transaction has taken.
    """
    if is_traced(request):
        soonest = _soonest()
        await record_refusal(context, interaction, request, fault)
        if request.resource_id:
            await _wait_until(soonest)


def _soonest() -> float:
    return asyncio.get_running_loop().time() + REFUSAL_SECONDS


async def _wait_until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))


def is_traced(request: Request) -> bool:
    """Tells whether a request is recorded: all are, but those of the server itself and of a server without tokens."""
    return request.requester.kind is not Kind.SYSTEM


def _is_in_a_record(request: Request, result: Result) -> bool:
    """Directories and definitions are in nobody's record; what their includes disclose may be."""
    is_of_none = request.resource_type in PUBLIC.resource_types
    return not is_of_none or bool(result.patients) or any(version.patient for version in result.disclosed)


async def record(context: Context, done: Iterable[tuple[str, Request, Result]]) -> None:
    """Records interactions that are done, all at once; directories and definitions are in nobody's record.

    What a search of these includes may be in one. Whom the law wants told of an emergency is told.
    """
    done = list(done)
    await _record_missed(context, [row for row in done if _is_missed(row[1], row[2])])
    accesses = [
        (request, await _done(context, interaction, request, result))
        for interaction, request, result in done
        if _is_in_a_record(request, result) and not _is_missed(request, result)
    ]
    events = await _write(context, [access for _, access in accesses])
    for (request, access), left in zip(accesses, events, strict=True):
        await notify_of_emergency(context, request, access, left)


async def _record_missed(context: Context, done: Sequence[tuple[str, Request, Result]]) -> None:
    soonest = _soonest()
    for interaction, request, _ in done:
        await _record_refused_resource(context, interaction, request, None)
    if done:
        await _wait_until(soonest)


def _is_missed(request: Request, result: Result) -> bool:
    """Tells whether what was to be deleted is not here or hidden: that is no error, and still somebody tried."""
    return bool(request.resource_id) and result.status is Status.NO_CONTENT and not result.disclosed


async def record_refusal(context: Context, interaction: str, request: Request, fault: FhirError) -> None:
    """Records an interaction that a rule of access refused, with the rule; any other error is no access.

    Of what names one resource that is judged anew, as the same is told of what is absent. Where an error tells that
    something is there, or what, that is an access: so it is recorded, and notices go out as of one that was granted.
    """
    cause = fault.__cause__
    if request.resource_id and is_refusal(fault):
        await _record_refused_resource(context, interaction, request, find_refusal(fault))
    elif isinstance(cause, AccessRefused):
        # no item: what it would have been may be hidden from who reads the trace
        access = _access(context, interaction, request, (), _refusal(cause.reason))
        await _record_told(context, request, _about(access, cause.patient), is_telling=cause.is_telling)
    elif isinstance(cause, DepositRefused):
        access = _access(context, interaction, request, (), Refusal(fault.issues[0].code, _REFUSED_DEPOSIT))
        await _record_told(context, request, _about(access, cause.patient), is_telling=cause.is_telling)
    elif isinstance(cause, StoredTold):
        items = await _items_of(context, [cause.version])
        access = _access(context, interaction, request, items, Refusal(fault.issues[0].code, _REFUSED_WRITE))
        await _record_told(context, request, access, is_telling=True)


def _about(access: Access, patient: str) -> Access:
    return replace(access, patients=(patient,)) if patient else access


async def _record_told(context: Context, request: Request, access: Access, *, is_telling: bool) -> None:
    """Records what was refused. Where that tells of something in the record, it was opened."""
    opened = {*access.patients, *(item.patient for item in access.items)} - {""} if is_telling else ()
    (left,) = await _write(context, [access])
    await notify_of_emergency(context, request, replace(access, opened=tuple(opened)), left)


async def record_attempt(context: Context, interaction: str, request: Request, fault: FhirError) -> None:
    """Records an act that was refused for what it was, where run_traced records no refusal of a resource."""
    is_recorded = find_refusal(fault) is not None or (request.resource_id and is_refusal(fault))
    if is_traced(request) and not is_recorded:
        refusal = Refusal(fault.issues[0].code, fault.issues[0].message)
        await _write(context, [_access(context, interaction, request, [], refusal)])


async def record_excluded(context: Context, request: Request) -> None:
    """Records that somebody asked who never has access, whatever he asked for."""
    if context.trail:
        access = _access(context, "", request, (), _refusal(Reason(Rule.EXCLUDED)))
        decisions = [Decision(patient, refusal=access.refusal) for patient in access.patients or ("",)]
        await context.trail.record([build_decision(access, decision, context.recorder) for decision in decisions])


def _refusal(reason: Reason) -> Refusal:
    return Refusal(reason.rule.value, SENTENCES[reason.rule][0], (reason.consent,) if reason.consent else ())


async def _record_refused_resource(
    context: Context, interaction: str, request: Request, cause: AccessRefused | None
) -> None:
    """The same work for what is hidden and for what is absent: how long it takes tells nothing.

    What is hidden from someone who reads the trace of his own attempt is traced twice: as absent, for him, and as it is
    under the labels that hide it from him.
    """
    version, reason = await judge_refused(context, request, interaction)
    # what may be read may still not be written: that is another rule
    refusal = _refusal(cause.reason if cause else reason)
    items = await _items_of(context, [version]) if version else [Item(request.identity)]
    if any(item.labels for item in items) and request.requester.patient_id:
        absent = _access(context, interaction, request, [Item(request.identity)], _ABSENT)
        hidden = replace(_access(context, interaction, request, items, refusal), patients=())
        await _write(context, [absent, hidden])
    else:
        access = _access(context, interaction, request, items, refusal)
        await _record_told(context, request, access, is_telling=cause is not None and cause.is_telling)


async def _write(context: Context, accesses: Sequence[Access]) -> list[list[JsonObject]]:
    """Returns the events that each access left, with their ids; none where no trace is kept."""
    if context.trail is None:
        return [[] for _ in accesses]
    events = [build_events(access, context.recorder) for access in accesses]
    ids = iter(await context.trail.record([event for left in events for event in left]))
    return [[{**event, "id": next(ids)} for event in left] for left in events]


async def _done(context: Context, interaction: str, request: Request, result: Result) -> Access:
    access = _access(context, interaction, request, await _items_of(context, result.disclosed))
    is_all_hidden = bool(access.items) and all(item.labels for item in access.items)
    # an operation on what is hidden is told by its very URL: no event of it is left without the labels
    if interaction == "operation" and request.resource_type != "Patient" and is_all_hidden:
        return replace(access, patients=())
    return replace(access, patients=(*access.patients, *result.patients), opened=result.opened)


def _access(
    context: Context, interaction: str, request: Request, items: Sequence[Item], refusal: Refusal | None = None
) -> Access:
    parameters = "&".join(f"{name}={value}" for name, value in request.parameters)
    asked = f"{request.path}?{parameters}" if parameters else request.path
    return Access(
        requester=request.requester,
        interaction=interaction,
        request_id=request.origin.request_id,
        address=request.origin.address,
        began=request.origin.began or context.now(),
        now=context.now(),
        query=asked,
        cleaned=asked,
        items=items,
        patients=_named(request),
        refusal=refusal,
        matrix=context.matrix.version if request.requester.kind is Kind.PRACTITIONER else "",
    )


def _named(request: Request) -> tuple[str, ...]:
    """The patients whom the request names or the token is about, whether anything of theirs was found or not."""
    if request.resource_type == "Patient" and request.resource_id:
        return (request.resource_id,)
    if request.compartment and request.compartment.resource_type == "Patient":
        return (request.compartment.resource_id,)
    if request.requester.patient_id:
        return (request.requester.patient_id,)
    values = [text for name, value in request.parameters if name in _PATIENTS for text in value.split(",")]
    named = dict.fromkeys(text.rpartition("Patient/")[2] for text in values)
    return tuple(name for name in named if is_id(name))[:MAX_RECORDS]


async def _items_of(context: Context, versions: Sequence[Version]) -> list[Item]:
    items = []
    for version in versions:
        if version.content is not None and version.identity.resource_type != BINARY:
            items.append(_item(version, version.patient, _hiding_labels(version.content)))
        else:
            items += await _divide(context, version)
    return items


async def _divide(context: Context, version: Version) -> list[Item]:
    """A version, once for each patient whose it is: hidden from whom any of what it is shown with is hidden."""
    labels: dict[str, dict[Label, None]] = {}
    for row in await find_shown_with(context, version):
        labels.setdefault(row.patient, {}).update(dict.fromkeys(_hiding_labels(row.content or b"")))
    return [_item(version, patient, tuple(found)) for patient, found in labels.items()] or [
        _item(version, version.patient)
    ]


def _item(version: Version, patient: str, labels: tuple[Label, ...] = ()) -> Item:
    return Item(version.identity, version.version_id, patient, labels)


def _hiding_labels(content: bytes) -> tuple[Label, ...]:
    """The labels that hide a resource, in one spelling: whatever hides it has to hide the event."""
    text = content.upper()
    if _INVISIBLE not in text and _SECRET not in text:
        return ()
    return tuple((VISIBILITY, code) for code in sorted(visibility_of(parse_json_object(content)) & _HIDING))
