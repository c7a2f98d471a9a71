"""A patient's record as the requester may see it, for the operations that gather from it.

The record is what is about the patient (Facts.patient). What is only tied to him by the compartment of
https://hl7.org/fhir/R4/compartmentdefinition-patient.html and about somebody else, as an Observation that he made of
his child, is in the other's record: docs/decisions/0027-operations-on-records.md.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from fhir_dmp.access.inquiry import PUBLIC
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.request import Request
from fhir_dmp.interactions.walk import walk
from fhir_dmp.outcome import Category, error
from fhir_dmp.resource import Identity, Version
from fhir_dmp.search.query import AboutPatient, Clause, OfType, SearchQuery, Sort, all_of

SUPPORTING = frozenset({"Practitioner", "PractitionerRole", "Organization", "Medication", "Location"})
"""What is in nobody's record and is needed to read one: https://hl7.org/fhir/R4/patient-operation-everything.html."""
_HOPS = 2
"""How far it is followed: a role, then who has it and where."""
_PAGE = 500
_REFERENCE = re.compile(rb'"reference":"(?:[^"]*/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[^"]*)?"')


def record_types(context: Context) -> frozenset[str]:
    """Returns the exposed types of the patient compartment, without the traces that each look at it leaves."""
    compartment = context.registry.compartment("Patient").parameters.keys() | {"Patient"}
    return frozenset(compartment & context.capability.types.keys() - {"AuditEvent"} - set(PUBLIC.resource_types))


async def open_record(context: Context, request: Request, patients: Collection[str]) -> Restriction:
    """Returns what the requester may see of these patients' records, and of what is in nobody's."""
    whole = replace(request, resource_type="", resource_id="")
    return await open_gate(context, whole, "search-system", AboutPatient(tuple(patients)))


async def read_all(
    context: Context, restriction: Restriction, types: Iterable[str], clause: Clause, most: int, *,
    sort: tuple[Sort, ...] = (),
) -> list[Version]:  # fmt: skip
    """Returns everything of some types that matches; raises FhirError (too costly) where that is more than `most`."""
    named = tuple(sorted(types))
    query = SearchQuery(named, all_of([OfType(named), clause]), sort=sort, count=min(_PAGE, most + 1))
    found: list[Version] = []
    async for page in walk(context.reader, query, restriction):
        found += page.versions
        if len(found) > most:
            message = f"That is more than {most:,} resources: ask for fewer."
            raise error(Category.TOO_COSTLY, "records-too-many", message)
    return found


async def read_newest(
    context: Context, restriction: Restriction, types: tuple[str, ...], clause: Clause, most: int
) -> tuple[Sequence[Version], bool]:
    """Returns the newest of some types that match, by when they are of, and whether there are no more of them."""
    # by the main date of each: what the parameter is called does not matter
    newest_first = Sort(context.space.main(types[0]).date, "date", descending=True, is_main=True)
    query = SearchQuery(types, all_of([OfType(types), clause]), sort=(newest_first,), count=most)
    page = await context.reader.search(query, restriction)
    return page.versions, page.next_keys is None


async def read_supporting(
    context: Context, restriction: Restriction, versions: Sequence[Version], types: Collection[str] = SUPPORTING
) -> list[Version]:
    """Returns the resources in nobody's record that these refer to, and those that they refer to in turn."""
    known = {version.identity for version in versions}
    found: list[Version] = []
    level = versions
    for _ in range(_HOPS):
        wanted = sorted(references_in(level, types & context.capability.types.keys()) - known)
        known |= set(wanted)
        read = await context.reader.read(wanted, restriction) if wanted else {}
        level = [read[identity] for identity in wanted if identity in read]
        found += level
    return found


def references_in(versions: Iterable[Version], types: Collection[str]) -> set[Identity]:
    """Returns the resources of some types that versions refer to."""
    rows = [row for version in versions for row in _REFERENCE.findall(version.content or b"")]
    return {Identity(kind, name.decode()) for raw, name in rows if (kind := raw.decode()) in types}


def of_records(versions: Iterable[Version]) -> list[Version]:
    """Returns the versions that are in somebody's record: those that the trace names."""
    return [version for version in versions if version.identity.resource_type not in PUBLIC.resource_types]
