"""Who sees a document: $dmp-mask, -unmask, -hold-back, -announce, -hide-from-representatives, -show-to-representatives.

https://fhir-dmp.fr/OperationDefinition/dmp-mask… (profiles/dmp), CSP R1111-49, R1111-50, R1111-53. On an instance one
document; on the type those in the parameters `document`, all of them in one transaction or none: who hides a stay must
not leave half of it open, nor what a document replaced. Who may is decided as for a write of the document itself
(access/write), and by may_label.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial

from fhir_dmp.access.requester import Kind
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.interactions.authorisation import authorise
from fhir_dmp.interactions.consequences import schedule_due
from fhir_dmp.interactions.context import Context, Run
from fhir_dmp.interactions.gate import check_exposed, inquire, open_gate, read_states
from fhir_dmp.interactions.read import not_found
from fhir_dmp.interactions.request import Memory, Request, Result
from fhir_dmp.json_text import JsonObject, parse_json_object, write_json
from fhir_dmp.operations.choice import check_change
from fhir_dmp.operations.parameters import Inputs, missing, read_inputs
from fhir_dmp.operations.predecessors import read_predecessors
from fhir_dmp.operations.professional import read_reference
from fhir_dmp.operations.record_act import answer_act, build_first, build_next, run_act, traced_act
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.record.consents import Act, build_provenance
from fhir_dmp.record.deciding import LABELLINGS, Labelling, may_label, role_in
from fhir_dmp.record.labels import contradicts, label_codings, lift_label, set_label, visibility_of
from fhir_dmp.resource import Identity, Version
from fhir_dmp.search.sensitivity import HIDDEN_FROM_PATIENT, MASKED
from fhir_dmp.store.port import Change, Writer

MOST = 100
"""How many documents one call is about."""
_MAY_NOT = frozenset({Category.NOT_FOUND, Category.FORBIDDEN, Category.CONFLICT, Category.UNPROCESSABLE})
_TYPE = "DocumentReference"
_LABEL = "DocumentReference.securityLabel"


@dataclass(frozen=True, slots=True)
class _Asked:
    """The documents with their places in the body, and whether the patient was asked."""

    places: dict[Identity, str]
    has_consent: bool


@dataclass(frozen=True, slots=True)
class _Row:
    """A document that the requester sees: as it is stored, and as it is without a label whose time is over."""

    version: Version
    resource: JsonObject
    current: JsonObject
    at: str
    is_asked: bool = True
    """Else it is what one that was asked for replaced."""


def definition_of(labelling: Labelling) -> str:
    """Returns the canonical of an operation."""
    return f"https://fhir-dmp.fr/OperationDefinition/dmp-{labelling.code}"


def build_operations() -> tuple[tuple[Labelling, Run], ...]:
    """Returns the operations, one for each act on labels."""
    return tuple((labelling, traced_act(partial(_label, labelling))) for labelling in LABELLINGS)


async def _label(labelling: Labelling, context: Context, request: Request) -> Result:
    """Sets or lifts a label; raises FhirError, and then no document is changed."""
    check_exposed(context, request, "operation")
    asked = _read(context, request, read_inputs(context, request, ("document", "consent")))
    ids: defaultdict[Identity, str] = defaultdict(context.new_id)

    async def work(writer: Writer) -> Result:
        inside, fresh = replace(context, reader=writer), replace(request, memory=Memory())
        rows = await _read_documents(inside, fresh, asked)
        rows += await _read_replaced(inside, fresh, rows)
        answers: list[Version] = []
        changes: list[Change] = []
        for row in rows:
            try:
                change = await _change(inside, fresh, labelling, asked, row)
            except FhirError as fault:
                if row.is_asked or fault.category not in _MAY_NOT:
                    raise
                # what nobody named stays as it is where he may not
                continue
            if change:
                changes += [change, _provenance(context, fresh, labelling, change, ids[row.version.identity])]
            # the trace names the version that it made: who does not see that does not see the event
            answers.append(change.version if change else row.version)
        if changes:
            await schedule_due(context, writer, request, changes)
            await writer.write(changes)
        return _answer(answers)

    return await run_act(context, work)


def _read(context: Context, request: Request, inputs: Inputs) -> _Asked:
    has_consent = inputs.boolean("consent") is True
    given = inputs.all("document")
    if request.resource_id:
        if given:
            raise error(Category.INVALID_PARAMETER, "parameter-unknown", "The URL names the document.", given[0].at)
        return _Asked({request.identity: ""}, has_consent)
    if not given:
        raise missing("document")
    if len(given) > MOST:
        raise error(Category.INVALID_PARAMETER, "parameter-repeated", f"document may appear {MOST} times.")
    places: dict[Identity, str] = {}
    for one in given:
        resource_type, _, resource_id = read_reference(context, one).partition("/")
        if resource_type != _TYPE or not resource_id:
            message = "document has to be a Reference to a DocumentReference."
            raise error(Category.INVALID_PARAMETER, "parameter-value", message, one.at)
        places.setdefault(Identity(_TYPE, resource_id), one.at)
    return _Asked(places, has_consent)


async def _read_documents(context: Context, request: Request, asked: _Asked) -> list[_Row]:
    """The documents as far as the requester sees them; one that he does not see is not here."""
    part = replace(request, resource_type=_TYPE, resource_id="")
    restriction: Restriction = await open_gate(context, part, "read", identities=list(asked.places))
    found = await context.reader.read(asked.places, restriction)
    rows = []
    for identity, at in asked.places.items():
        if identity not in found:
            raise _absent(identity, at)
        rows.append(_row(context, found[identity], at))
    return rows


async def _read_replaced(context: Context, request: Request, rows: list[_Row]) -> list[_Row]:
    """What the documents replaced: it says nearly the same, and would stay as it was for everyone else."""
    found = await read_predecessors(context, request, [row.version for row in rows])
    return [replace(_row(context, version, ""), is_asked=False) for version in found]


def _row(context: Context, version: Version, at: str) -> _Row:
    resource = parse_json_object(version.content or b"{}")
    return _Row(version, resource, _without_expired(context, resource), at)


def _without_expired(context: Context, document: JsonObject) -> JsonObject:
    """What was held back for a month is open by itself: its label says nothing any more."""
    opens = context.indexer.facts(document).security.opens
    return document if opens is None or context.now() < opens else lift_label(document, HIDDEN_FROM_PATIENT)


async def _change(context: Context, request: Request, labelling: Labelling, asked: _Asked, row: _Row) -> Change | None:
    """Returns the change of a document, None where it is so already; raises FhirError where it may not be made."""
    changed = _relabel(labelling, row)
    if changed == row.resource:
        return None
    return await _allow(context, request, labelling, asked, row, changed)


def _relabel(labelling: Labelling, row: _Row) -> JsonObject:
    if labelling.sets and labelling.label == HIDDEN_FROM_PATIENT and row.current is not row.resource:
        raise _too_late(row)
    before = row.current if labelling.sets else row.resource
    changed = (set_label if labelling.sets else lift_label)(before, labelling.label)
    if labelling.sets and changed is before:
        # nothing to do: a label whose time is over is no reason for a version
        return row.resource
    if labelling.sets and contradicts(visibility_of(changed)):
        message = f"A document is not {MASKED} and {HIDDEN_FROM_PATIENT} together: only its author would see it."
        raise error(Category.UNPROCESSABLE, "labels-contradict", message, row.at or _LABEL)
    return changed


async def _allow(
    context: Context, request: Request, labelling: Labelling, asked: _Asked, row: _Row, changed: JsonObject
) -> Change:
    """Returns the change; raises FhirError where the requester may not make it, or it comes too late."""
    change = build_next(context, changed, row.version)
    patient = change.version.patient
    if not patient:
        raise error(Category.UNPROCESSABLE, "record-needed", "The document is in nobody's record.", row.at)
    judged = _judged(context, request, change, row)
    if await _is_entrusted(context, request, labelling, asked, patient):
        await check_change(context, request, judged)
    else:
        await _authorise(context, request, judged, row.at)
    opens = change.facts.security.opens if change.facts else None
    if labelling.sets and opens is not None and opens <= context.now():
        raise _too_late(row)
    return change


def _too_late(row: _Row) -> FhirError:
    message = "A month after its deposit a document is open to the patient."
    return error(Category.CONFLICT, "hold-back-over", message, row.at or _LABEL)


async def _authorise(context: Context, request: Request, change: Change, at: str) -> None:
    try:
        await authorise(context, request, "update", [change])
    except FhirError as fault:
        located = [replace(issue, expression=at or issue.expression) for issue in fault.issues]
        raise FhirError(fault.category, *located) from fault.__cause__


def _judged(context: Context, request: Request, change: Change, row: _Row) -> Change:
    """The change as it is decided about: that a label's time is over is nobody's doing."""
    if row.current is row.resource or request.requester.kind is Kind.SYSTEM:
        return change
    previous = row.version._replace(content=write_json(row.current))
    return replace(change, previous=previous, previous_facts=context.indexer.facts(row.current))


async def _is_entrusted(context: Context, request: Request, labelling: Labelling, asked: _Asked, patient: str) -> bool:
    inquiry = await inquire(context, request, "update")
    states = await read_states(context, request, [patient])
    role = role_in(request.requester, inquiry.closure, states[0], context.now()) if states else None
    return may_label(role, labelling, has_consent=asked.has_consent)


def _provenance(context: Context, request: Request, labelling: Labelling, change: Change, new_id: str) -> Change:
    """The Provenance, with the labels of the document: who does not see it does not learn of it here.

    It is masked in any case: a later mask would not reach an earlier Provenance.
    """
    patient = change.version.patient
    act = Act(labelling.code, request.requester, patient, context.now(), context.base_url)
    provenance = build_provenance(act, [str(change.version.identity), f"Patient/{patient}"])
    labels = visibility_of(parse_json_object(change.version.content or b"{}")) | {MASKED}
    return build_first(context, {**provenance, "meta": {"security": label_codings(labels)}}, new_id)


def _absent(identity: Identity, at: str) -> FhirError:
    fault = not_found(identity)
    return FhirError(fault.category, *(replace(issue, expression=at) for issue in fault.issues)) if at else fault


def _answer(versions: list[Version]) -> Result:
    told: list[JsonObject] = []
    for version in versions:
        document = parse_json_object(version.content or b"{}")
        labels = [{"name": "label", "valueCoding": coding} for coding in label_codings(visibility_of(document))]
        reference: JsonObject = {"name": "reference", "valueReference": {"reference": str(version.identity)}}
        told.append({"name": "document", "part": [reference, *labels]})
    return answer_act(told, versions)
