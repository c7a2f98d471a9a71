"""What is in one Patient's record goes to another's, batch by batch: $merge, and back again $dmp-unmerge.

Each batch is a transaction, and what was moved is found no more where it was: a crash leaves the rest to the next
worker. Meanwhile nobody reads what is still there, since the record of a Patient who was replaced is closed.
"""

from __future__ import annotations

from dataclasses import replace

from fhir_dmp.access.requester import SERVER
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.interactions.authorisation import facts_of
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.record.merging import MOVED, with_tag, without_tag
from fhir_dmp.reference import find_slots, rewrite
from fhir_dmp.resource import Version, build_version
from fhir_dmp.search.links import relative_to
from fhir_dmp.search.query import AboutPatient, Clause, Has, Not, OfType, SearchQuery, TokenValue, all_of, any_of
from fhir_dmp.store.job_port import Jobs, Lease
from fhir_dmp.store.port import Change, Writer

BATCH = 100
"""Resources that one transaction moves."""
_STAYS = OfType(("Patient", "AuditEvent"))
"""Who the people are, and what was done when: that does not change."""


async def move(context: Context, jobs: Jobs, lease: Lease) -> bool:
    """Moves what the job says (`from`, `to`, ids of Patients; `back` undoes); returns False where it is another's."""
    task = lease.job.task
    request = Request(SERVER, "Patient", path=f"Patient/{task['from']}")
    restriction = await open_gate(context, replace(request, resource_type=""), "search-system")
    while await jobs.keep(lease, context.now()):
        if await move_batch(context, restriction, task) == 0:
            return True
    return False


async def move_batch(context: Context, restriction: Restriction, task: JsonObject) -> int:
    """Moves the next resources in one transaction; returns how many, 0 once nothing is left."""

    async def work(writer: Writer) -> int:
        query = SearchQuery((), _wanted(context, task), count=BATCH)
        page = await writer.search(query, restriction)
        changes = [_moved(context, task, version) for version in page.versions]
        if changes:
            await writer.write(changes)
        return len(changes)

    return await context.store.transact(work)


def _wanted(context: Context, task: JsonObject) -> Clause:
    clauses: list[Clause] = [AboutPatient((task["from"],)), Not(_STAYS)]
    if task["back"]:
        tag = (TokenValue(MOVED, task["to"]),)
        clauses.append(any_of([Has(name, "_tag", tag) for name in sorted(context.capability.types)]))
    return all_of(clauses)


def _moved(context: Context, task: JsonObject, version: Version) -> Change:
    resource = parse_json_object(version.content or b"{}")
    one, other = f"Patient/{task['from']}", f"Patient/{task['to']}"
    targets = {one: other, f"{context.base_url}/{one}": other}
    for slot in find_slots(resource, context.registry):
        # a version of the one is none of the other: what names it is about the other as he is
        versioned = relative_to(context.base_url, slot.original).startswith(f"{one}/_history/")
        rewrite(slot, {slot.original: other} if versioned else targets)
    tagged = without_tag(resource, MOVED, task["to"]) if task["back"] else with_tag(resource, MOVED, task["from"])
    stamped, made = build_version(tagged, version.identity, version, "PUT", context.now())
    facts = context.indexer.facts(stamped)
    return Change(made._replace(patient=facts.patient or ""), version, facts, facts_of(context, version))
