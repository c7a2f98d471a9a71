"""Is what a submission set, a folder or a document refers to of the same patient, and is it there.

IHE ITI TF-3 4.2.4 (XDSPatientIdDoesNotMatch); MHD, ITI-65: what a List submits comes with it, or is here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from fhir_dmp.access.requester import Kind
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.refusal import DepositRefused
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.outcome import Category, error
from fhir_dmp.record.depositing import find_document
from fhir_dmp.record.submission import find_related
from fhir_dmp.resource import Identity, Version
from fhir_dmp.store.port import Change

_DOCUMENT = "DocumentReference"


async def require_belonging(
    context: Context, request: Request, changes: Sequence[Change], together: Mapping[Identity, Version]
) -> None:
    """Raises FhirError (unprocessable) where one refers to another patient's document or an entry that did not come.

    Asked are the documents that are written `together` with it, and those that the requester sees: of others he learns
    nothing. What it referred to before is not asked again.
    """
    if request.requester.kind is Kind.SYSTEM:
        return
    for change in changes:
        if rows := list(_find_new(change)):
            await _require_one_patient(context, request, change, together, rows)


async def _require_one_patient(
    context: Context,
    request: Request,
    change: Change,
    together: Mapping[Identity, Version],
    rows: Sequence[tuple[str, str]],
) -> None:
    named = {at: find_document(context.base_url, text) for text, at in rows}
    others = {identity for identity in named.values() if identity and identity not in together}
    part = replace(request, resource_type=_DOCUMENT, resource_id="")
    gate = await open_gate(context, part, "read", identities=others) if others else None
    seen = await context.reader.read(others, gate) if gate else {}
    for text, at in rows:
        identity = named[at]
        if text.startswith("urn:uuid:"):
            message = "No entry of the Bundle has the fullUrl that is referred to."
            raise error(Category.UNPROCESSABLE, "reference-absent", message, at) from _refused(change)
        found = (together.get(identity) or seen.get(identity)) if identity else None
        if found and found.patient != change.version.patient:
            message = "This document is another patient's: what is submitted or related together is of one."
            raise error(Category.UNPROCESSABLE, "document-elsewhere", message, at) from _refused(change)


def _find_new(change: Change) -> Iterator[tuple[str, str]]:
    before = {text for text, _ in find_related(_resource(change.previous and change.previous.content))}
    yield from (row for row in find_related(_resource(change.version.content)) if row[0] not in before)


def _resource(content: bytes | None) -> JsonObject:
    return parse_json_object(content) if content else {}


def _refused(change: Change) -> DepositRefused:
    return DepositRefused(change.version.patient)
