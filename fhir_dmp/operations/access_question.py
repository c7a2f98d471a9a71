"""What $dmp-explain-access is asked: of which professional, about which items, with which draft Consent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fhir_dmp.access.explain import (
    Explanation,
    Language,
    explain_absent,
    explain_items,
    explain_record,
    without_scope,
)
from fhir_dmp.access.inquiry import Inquiry
from fhir_dmp.access.matrix import Matrix
from fhir_dmp.access.record import RecordState
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.audit.code import Mode
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import inquire
from fhir_dmp.interactions.request import Memory, Request
from fhir_dmp.interactions.validity import require_interpretable
from fhir_dmp.json_text import JsonObject
from fhir_dmp.operations.parameters import Inputs, read_inputs
from fhir_dmp.operations.professional import KNOWN as OF_PROFESSIONAL
from fhir_dmp.operations.professional import read_mode, read_professional, read_reference
from fhir_dmp.operations.record_items import RecordItem, build_record_item, read_record_items
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.resource import Identity
from fhir_dmp.search.links import relative_to, split_reference
from fhir_dmp.validation.validate import validate_structure

KNOWN = (*OF_PROFESSIONAL, "item", "consent", "displayLanguage")
MOST_NAMED = 100
"""How many items may be asked for by name."""
UNSAVED = "#draft"
"""Stands for the id of a draft that replaces nothing: no id is like it."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is explained in one state of the record: of it as a whole, of its items, of those that were asked for."""

    record: Explanation
    items: Sequence[Explanation]
    named: Sequence[Explanation]

    @property
    def consents(self) -> frozenset[str]:
        """The ids of the Consents that decide."""
        return frozenset(told.consent for told in (self.record, *self.items, *self.named)) - {""}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `items` are those of the record that the caller sees, `is_complete` says whether all of them.

    `named` are the items asked for by name; a name that leads to nothing that he sees has none. `draft` is a Consent
    that is supposed to be active, with an id in any case; None where there is none.
    """

    inquiry: Inquiry
    mode: Mode
    language: Language
    items: Sequence[RecordItem]
    is_complete: bool
    named: Sequence[tuple[str, RecordItem | None]]
    draft: JsonObject | None

    def answer(self, state: RecordState, matrix: Matrix) -> Told:
        """Returns what is explained where the record is in this state."""
        items = explain_items(self.inquiry, state, matrix, [item.facts for item in self.items], self.language)
        here = [item.facts for _, item in self.named if item]
        found = iter(explain_items(self.inquiry, state, matrix, here, self.language))
        named = [next(found) if item else explain_absent(self.language) for _, item in self.named]
        return Told(explain_record(self.inquiry, state, matrix, self.language), items, named)


async def read_question(context: Context, request: Request, restriction: Restriction) -> Question:
    """Returns what is asked, as far as a caller with this restriction sees it; raises FhirError where that is wrong."""
    inputs = read_inputs(context, request, KNOWN)
    professional = await read_professional(context, restriction, inputs)
    draft = _read_draft(context, request, inputs)
    named = await _read_named(context, restriction, inputs)
    asked = replace(request, requester=professional, memory=Memory())
    inquiry = without_scope(await inquire(context, asked, "read"))
    items, is_complete = await read_record_items(context, restriction, request.resource_id)
    return Question(inquiry, read_mode(inputs), _read_language(inputs), items, is_complete, named, draft)


def _read_language(inputs: Inputs) -> Language:
    return "en" if inputs.text("displayLanguage").casefold().startswith("en") else "fr"


def _read_draft(context: Context, request: Request, inputs: Inputs) -> JsonObject | None:
    """The Consent as it would be in force; raises FhirError where nobody could tell what it says."""
    draft = inputs.resource("consent")
    if draft is None:
        return None
    if draft.get("resourceType") != "Consent":
        raise error(Category.MALFORMED, "resource-type", "The parameter consent has to be a Consent.")
    issues = validate_structure(draft, context.schemas)
    if issues:
        raise FhirError(Category.MALFORMED, *issues)
    supposed = {"id": UNSAVED, **draft, "status": "active"}
    require_interpretable(context, supposed)
    if relative_to(context.base_url, draft.get("patient", {}).get("reference", "")) != str(request.identity):
        message = "The Consent has to be about the patient in the URL."
        raise error(Category.UNPROCESSABLE, "consent-patient", message, "Consent.patient")
    return supposed


async def _read_named(
    context: Context, restriction: Restriction, inputs: Inputs
) -> list[tuple[str, RecordItem | None]]:
    """The items that are asked for by name, each once; of what is absent or hidden the name alone."""
    names = tuple(dict.fromkeys(read_reference(context, given) for given in inputs.all("item")))
    if len(names) > MOST_NAMED:
        message = f"At most {MOST_NAMED} items are explained at once."
        raise error(Category.TOO_COSTLY, "parameter-many", message, "http.item")
    types = context.capability.types
    found = {name: row for name in names if (row := split_reference(name, types))}
    identities = {name: Identity(row.resource_type, row.resource_id) for name, row in found.items()}
    versions = await context.reader.read(identities.values(), restriction) if identities else {}
    shown = {name: versions[identity] for name, identity in identities.items() if identity in versions}
    return [(name, build_record_item(context, shown[name]) if name in shown else None) for name in names]
