"""May the requester make these changes: asked of every change right before it is written, by whatever way it came."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fhir_dmp.access.change import Change as Alteration
from fhir_dmp.access.change import Item
from fhir_dmp.access.path import Verdict
from fhir_dmp.access.reason import Reason, Rule
from fhir_dmp.access.requester import Kind
from fhir_dmp.access.write import decide_write
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import inquire, read_states, with_attending_known
from fhir_dmp.interactions.holding_back import label_of, require_effect
from fhir_dmp.interactions.read import not_found
from fhir_dmp.interactions.refusal import AccessRefused
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import parse_json_object
from fhir_dmp.outcome import Category, FhirError, Issue, error
from fhir_dmp.record.plain_write import find_bypasses
from fhir_dmp.resource import Identity, Version
from fhir_dmp.search.facts import Facts
from fhir_dmp.store.port import Change

_OF_ONE_PATIENT = frozenset({Kind.PATIENT, Kind.REPRESENTATIVE})
_ANOTHERS = Verdict(permitted=False, reason=Reason(Rule.OTHER_RECORD))


async def authorise(context: Context, request: Request, interaction: str, changes: Iterable[Change]) -> None:
    """Raises FhirError (forbidden, or not found where even that there is something is hidden) unless all may be made.

    Raises FhirError (unprocessable) where an administrator writes to a Patient what an operation does, and (conflict)
    where what would be held back from the patient is open to him by its date, or was announced.
    `interaction` is a code of http://hl7.org/fhir/restful-interaction.
    """
    if request.requester.kind is Kind.SYSTEM:
        return
    inquiry = await inquire(context, request, interaction)
    for change in changes:
        patient = _patient_of(change)
        states = await read_states(context, request, [patient]) if patient else []
        if patient and not states and request.requester.kind in _OF_ONE_PATIENT:
            # as in a record that is another's: an absent one must not be told from it
            lacks_scope = inquiry.lacks_scope(change.version.identity.resource_type)
            cause = AccessRefused(_ANOTHERS.reason, lacks_scope=lacks_scope)
            raise _refusal(_ANOTHERS, change.version.identity) from cause
        if states and change.version.identity.resource_type == "Consent":
            states = [await with_attending_known(context, states[0])]
        alteration = Alteration(_item(change.version, change.facts), _item(change.previous, change.previous_facts))
        verdict = decide_write(inquiry, states[0] if states else None, context.matrix, alteration, context.reading)
        if not verdict.permitted:
            is_telling = change.previous is not None and not verdict.is_hidden
            known, lacks_scope = patient if states else "", inquiry.lacks_scope(change.version.identity.resource_type)
            cause = AccessRefused(verdict.reason, known, is_telling=is_telling, lacks_scope=lacks_scope)
            raise _refuse_recordless(context, change, verdict) or _refusal(verdict, change.version.identity) from cause
        if bypasses := _find_bypasses(request.requester.kind, alteration):
            raise FhirError(Category.UNPROCESSABLE, *bypasses)
        await require_effect(context, change)


def facts_of(context: Context, version: Version | None) -> Facts | None:
    """Returns the facts of a stored version, None of a deletion."""
    if version is None or version.content is None:
        return None
    return context.indexer.facts(parse_json_object(version.content))


def _patient_of(change: Change) -> str:
    facts = change.previous_facts or change.facts
    return (facts.patient if facts else None) or ""


def _item(version: Version | None, facts: Facts | None) -> Item | None:
    if version is None or version.content is None or facts is None:
        return None
    return Item(parse_json_object(version.content), facts)


def _find_bypasses(kind: Kind, alteration: Alteration) -> tuple[Issue, ...]:
    """What an administrator does to a Patient that is an operation's to do."""
    item = alteration.new or alteration.previous
    if kind is not Kind.ADMINISTRATOR or item is None or item.facts.resource_type != "Patient":
        return ()
    previous, new = alteration.previous, alteration.new
    return find_bypasses(previous.resource if previous else None, new.resource if new else None)


def _refuse_recordless(context: Context, change: Change, verdict: Verdict) -> FhirError | None:
    """What is fed and names no record is told so, at the element that would: of what he sent alone.

    An identifier beside the reference is not looked up, so that it finds somebody is not told either.
    """
    if verdict.reason.rule is not Rule.OTHER_RECORD or change.previous is not None or _patient_of(change):
        return None
    name = change.version.identity.resource_type
    at = _record_element(context, name)
    message = (
        f"It names no record: {at} has to refer to the Patient, as Patient/[id]; "
        "in a transaction also as Patient?identifier=[system]|[value]."
    )
    return error(Category.UNPROCESSABLE, "record-needed", message, at)


def _record_element(context: Context, resource_type: str) -> str:
    """Returns the element that says in whose record a resource is; its type where no search parameter tells it."""
    parameter = context.registry.search_parameters(resource_type).get(context.space.main(resource_type).patient)
    found = re.search(rf"\b{resource_type}\.\w+", parameter.expression) if parameter else None
    return found[0] if found else resource_type


def _refusal(verdict: Verdict, identity: Identity) -> FhirError:
    """The rule that decided is told to the patient and never to the requester."""
    if verdict.is_hidden:
        return not_found(identity)
    if verdict.reason.rule is Rule.LABELS_CONTRADICT:
        # of what he sent alone, so it tells him nothing else
        message = "An item is not masked to professionals and held back from the patient together: nobody would see it."
        return error(Category.UNPROCESSABLE, "labels-contradict", message, label_of(identity))
    return error(Category.FORBIDDEN, "not-allowed", "The requester may not do this.")
