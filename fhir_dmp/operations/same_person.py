"""Is a person here already: the stored identities with the same number, or the same birth date and family name.

They are read as the server reads them; what the requester is told of them is for the operation to decide.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fhir_dmp.access.restriction import Restriction
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate, read_states
from fhir_dmp.interactions.request import Memory, Request
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.operations.record_act import as_server
from fhir_dmp.outcome import Category, error
from fhir_dmp.record.opening import Finding, Known, find_in, read_known
from fhir_dmp.record.traits import Traits, read_traits
from fhir_dmp.search.query import (
    Clause,
    DateValue,
    Has,
    OfType,
    SearchQuery,
    StringValue,
    TokenValue,
    all_of,
    any_of,
)
from fhir_dmp.search.span import parse_span
from fhir_dmp.store.port import Writer

_TYPES = ("Patient",)
MOST = 500
"""How many identities are compared at most: so many people are not born on one day under one name."""


@dataclass(frozen=True, slots=True)
class SamePerson:
    """What was found, and the restriction under which it was."""

    found: Finding
    restriction: Restriction


def guard_keys(traits: Traits) -> list[str]:
    """Returns the keys by which two openings for one person run one after another."""
    return [*(f"identity:{number}" for number in sorted(traits.matricules)), f"identity:{traits.birth}"]


async def find_same_person(
    context: Context, request: Request, writer: Writer, patient: JsonObject, *, beside: str = ""
) -> SamePerson:
    """Returns what an identity is among those that are here, but for that of the Patient with the id `beside`."""
    traits = read_traits(patient)
    server = replace(as_server(request), resource_type="Patient", resource_id="")
    restriction = await open_gate(context, server, "search-type")
    clause = all_of([OfType(_TYPES), any_of(_clauses(context, traits))])
    page = await writer.search(SearchQuery(_TYPES, clause, count=MOST), restriction)
    if page.next_keys is not None:
        raise error(Category.TOO_COSTLY, "identity-common", f"More than {MOST} people have this name and birth date.")
    rows = [parse_json_object(version.content) for version in page.versions if version.content]
    known = await _read_known(replace(context, reader=writer), request, [row for row in rows if row["id"] != beside])
    return SamePerson(find_in(traits, known), restriction)


async def _read_known(context: Context, request: Request, rows: list[JsonObject]) -> list[Known]:
    fresh = replace(request, memory=Memory())
    states = {state.patient_id: state for state in await read_states(context, fresh, [row["id"] for row in rows])}
    now = context.now()
    return [read_known(row, is_open=states[row["id"]].is_open(now)) for row in rows if row["id"] in states]


def _clauses(context: Context, traits: Traits) -> list[Clause]:
    numbers = [TokenValue(*number.split("|", 1)) for number in sorted(traits.matricules)]
    clauses: list[Clause] = [Has("Patient", "identifier", tuple(numbers))] if numbers else []
    span = parse_span(traits.birth, context.zone) if traits.birth else None
    if span and traits.families:
        families = tuple(StringValue(family) for family in sorted(traits.families))
        born = Has("Patient", "birthdate", (DateValue("eq", *span),))
        clauses.append(all_of([born, Has("Patient", "family", families)]))
    return clauses
