"""What is in one Patient's record goes to another's, batch by batch: $merge, and back again $dmp-unmerge.

Each batch is a transaction, and what was moved is found no more where it was: a crash leaves the rest to the next
worker. Meanwhile nobody reads what is still there, since the record of a Patient who was replaced is closed, and it is
closed until all is back. A denial arrives before what it is about and leaves after it, and a permission that a merge
suspended comes back last: whoever looks meanwhile sees less, never more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from fhir_dmp.access.consent import SUSPENDED
from fhir_dmp.access.requester import SERVER
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.interactions.authorisation import facts_of
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.record.merging import MOVED, STATES, reopen_parted, restore, with_tag, without_tag
from fhir_dmp.reference import find_slots, rewrite
from fhir_dmp.resource import Version, build_version
from fhir_dmp.search.links import relative_to
from fhir_dmp.search.query import AboutPatient, Clause, Has, Not, OfType, SearchQuery, TokenValue, all_of, any_of
from fhir_dmp.store.job_port import Jobs, Lease
from fhir_dmp.store.port import Change, Writer

BATCH = 100
"""Resources that one transaction moves."""
_CONSENTS = OfType(("Consent",))
_STAYS = OfType(("Patient", "AuditEvent"))
"""Who the people are, and what was done when: that does not change."""
Step = Callable[[], Awaitable[int]]
"""Changes the next resources in one transaction; returns how many, 0 once nothing is left."""


async def move(context: Context, jobs: Jobs, lease: Lease) -> bool:
    """Moves what the job says (`from`, `to`, ids of Patients; `back` undoes); returns False where it is another's."""
    task = lease.job.task
    request = Request(SERVER, "Patient", path=f"Patient/{task['from']}")
    restriction = await open_gate(context, replace(request, resource_type=""), "search-system")
    for step in build_steps(context, restriction, task):
        if not await _finish(step, context, jobs, lease):
            return False
    return True


async def _finish(step: Step, context: Context, jobs: Jobs, lease: Lease) -> bool:
    while await jobs.keep(lease, context.now()):
        if await step() == 0:
            return True
    return False


def build_steps(context: Context, restriction: Restriction, task: JsonObject) -> Sequence[Step]:
    """Returns what is done one after another, each until nothing is left of it."""
    first = Not(_CONSENTS) if task["back"] else _CONSENTS
    moved = [all_of([_wanted(context, task), first]), _wanted(context, task)]
    steps = [partial(_change, context, restriction, clause, partial(_moved, context, task)) for clause in moved]
    return [*steps, *(_part(context, restriction, task) if task["back"] else ())]


def _part(context: Context, restriction: Restriction, task: JsonObject) -> Iterator[Step]:
    """What makes two records of one, once each has what is its own: permissions, and then the source is open again."""
    source, patients = task["to"], ("Patient",)
    suspended: list[Clause] = [
        _CONSENTS,
        AboutPatient((source, task["from"])),
        _tagged(SUSPENDED, source, ("Consent",)),
    ]
    yield partial(_change, context, restriction, all_of(suspended), partial(_restored, context, source))
    states = any_of([_tagged(MOVED, state, patients) for state in STATES])
    closed: list[Clause] = [OfType(patients), AboutPatient((source,)), states]
    yield partial(_change, context, restriction, all_of(closed), partial(_reopened, context))


async def _change(
    context: Context, restriction: Restriction, clause: Clause, change: Callable[[Version], Change]
) -> int:
    async def work(writer: Writer) -> int:
        page = await writer.search(SearchQuery((), clause, count=BATCH), restriction)
        changes = [change(version) for version in page.versions]
        if changes:
            await writer.write(changes)
        return len(changes)

    return await context.store.transact(work)


def _wanted(context: Context, task: JsonObject) -> Clause:
    clauses: list[Clause] = [AboutPatient((task["from"],)), Not(_STAYS)]
    if task["back"]:
        clauses.append(_tagged(MOVED, task["to"], context.capability.types))
    return all_of(clauses)


def _tagged(system: str, code: str, types: Iterable[str]) -> Clause:
    tag = (TokenValue(system, code),)
    return any_of([Has(name, "_tag", tag) for name in sorted(types)])


def _restored(context: Context, source: str, version: Version) -> Change:
    return _next(context, restore(parse_json_object(version.content or b"{}"), source), version)


def _reopened(context: Context, version: Version) -> Change:
    return _next(context, reopen_parted(parse_json_object(version.content or b"{}")), version)


def _moved(context: Context, task: JsonObject, version: Version) -> Change:
    resource = parse_json_object(version.content or b"{}")
    one, other = f"Patient/{task['from']}", f"Patient/{task['to']}"
    targets = {one: other, f"{context.base_url}/{one}": other}
    for slot in find_slots(resource, context.registry):
        # a version of the one is none of the other: what names it is about the other as he is
        versioned = relative_to(context.base_url, slot.original).startswith(f"{one}/_history/")
        rewrite(slot, {slot.original: other} if versioned else targets)
    tagged = without_tag(resource, MOVED, task["to"]) if task["back"] else with_tag(resource, MOVED, task["from"])
    return _next(context, tagged, version)


def _next(context: Context, resource: JsonObject, version: Version) -> Change:
    stamped, made = build_version(resource, version.identity, version, "PUT", context.now())
    facts = context.indexer.facts(stamped)
    return Change(made._replace(patient=facts.patient or ""), version, facts, facts_of(context, version))
