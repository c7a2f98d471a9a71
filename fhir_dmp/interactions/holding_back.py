"""What is held back from the patient (CSP R1111-53): whom a label would hold nothing back from any more is told so."""

from __future__ import annotations

from fhir_dmp.access.requester import SERVER
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.refusal import DepositRefused
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import parse_json_object
from fhir_dmp.outcome import Category, error
from fhir_dmp.resource import Identity, Version
from fhir_dmp.store.port import Change

MOST = 100
"""How many earlier versions are looked at."""


async def require_effect(context: Context, change: Change) -> None:
    """Raises FhirError (conflict) where a label would hold nothing back: its author relies on it.

    By its date the item is open, or it was held back before and announced: the patient was told.
    """
    opens = change.facts.security.opens if change.facts else None
    before = change.previous_facts.security.opens if change.previous_facts else None
    if opens is None or before is not None:
        return
    at = label_of(change.version.identity)
    if opens <= context.now():
        message = "By its date it was deposited more than a month ago: the patient would see it at once."
        fault = error(Category.CONFLICT, "hold-back-over", message, at)
        raise fault from DepositRefused(change.version.patient)
    if await _was_announced(context, change.previous):
        message = "It was held back, and announced: what the patient was told is not taken from him."
        fault = error(Category.CONFLICT, "hold-back-announced", message, at)
        raise fault from DepositRefused(change.version.patient)


async def _was_announced(context: Context, current: Version | None) -> bool:
    """Tells whether an item that is not held back now once was, whichever way its label was lifted."""
    if current is None or current.content is None:
        return False
    everything = await open_gate(context, Request(SERVER, current.identity.resource_type), "read")
    for number in range(current.version_id - 1, max(0, current.version_id - 1 - MOST), -1):
        found = await context.reader.read_version(current.identity, number, everything)
        content = found.content if found else None
        if content and context.indexer.facts(parse_json_object(content)).security.opens is not None:
            return True
    return False


def label_of(identity: Identity) -> str:
    """Returns the element that has the labels of a resource."""
    element = "securityLabel" if identity.resource_type == "DocumentReference" else "meta.security"
    return f"{identity.resource_type}.{element}"
