"""One writing entry of a transaction on its way into the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fhir_dmp.access.restriction import Restriction
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.create import first_version
from fhir_dmp.interactions.delete import deleted, last_version
from fhir_dmp.interactions.entry import Entry
from fhir_dmp.interactions.known import answer_known, without_unreadable
from fhir_dmp.interactions.patch import patched_resource, patched_version
from fhir_dmp.interactions.request import Result
from fhir_dmp.interactions.update import conditional_version, next_version, updated
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.reference import Slot, find_slots
from fhir_dmp.resource import Identity, Version
from fhir_dmp.store.port import Change


@dataclass(slots=True)
class Written:
    """An entry with the resource it is about. `match` is what its criteria found, `previous` its newest version.

    `identity` is None where a conditional delete found nothing. `resource` is what will be stored, a patched one from
    `apply_patch` on; `slots` are the pointers in it that came with this transaction.
    """

    entry: Entry
    restriction: Restriction
    resource: JsonObject | None
    slots: Sequence[Slot]
    identity: Identity | None
    match: Version | None
    previous: Version | None = None
    change: Change | None = None

    @property
    def is_existing_match(self) -> bool:
        """Tells whether this is a conditional create whose resource is here already: nothing is written."""
        return self.entry.method == "POST" and self.match is not None

    @property
    def version_id(self) -> int:
        """The version that the resource will have after this transaction."""
        if self.is_existing_match or self.previous is None:
            return self.match.version_id if self.match else 1
        return self.previous.version_id + 1


def apply_patch(context: Context, row: Written) -> None:
    """Makes the resource of a PATCH; the pointers that were in it before are not this transaction's to resolve."""
    if row.entry.method != "PATCH":
        return
    row.resource = patched_resource(context, row.entry.request, row.previous)
    before = parse_json_object(row.previous.content) if row.previous and row.previous.content else {}
    known = {slot.original for slot in find_slots(before, context.registry)}
    row.slots = [slot for slot in find_slots(row.resource, context.registry) if slot.original not in known]


def build_change(context: Context, row: Written) -> Change | None:
    """Builds the change of an entry, None where it changes nothing; raises FhirError where a precondition fails."""
    request = row.entry.request
    if row.is_existing_match or row.identity is None:
        return None
    if row.entry.method == "DELETE":
        return last_version(context, request, row.previous)
    resource = row.resource or {}
    if row.entry.method == "PATCH":
        return patched_version(context, request, resource, row.previous)
    if row.entry.method == "POST":
        return first_version(context, resource, row.identity, request)
    if row.entry.shape == "[type]":
        return conditional_version(context, request, resource, row.identity, row.match, row.previous)
    return next_version(context, request, resource, row.previous, row.identity)


async def build_result(context: Context, row: Written) -> Result:
    """Builds the result of an entry whose change was written."""
    request = row.entry.request
    if row.is_existing_match and row.match:
        return await answer_known(context, request, row.match, "minimal")
    if row.change is None or row.change.version.content is None:
        return deleted(row.change)
    answer = updated(row.change, request)
    return await without_unreadable(context, request, answer) if row.entry.method == "PATCH" else answer
