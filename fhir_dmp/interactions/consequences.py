"""What follows of changes: documents that others make obsolete, and what becomes due at a date."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType

from fhir_dmp.access.reimbursement import is_reimbursement, leaves_at
from fhir_dmp.access.requester import Kind
from fhir_dmp.audit.update_notice import notice_due
from fhir_dmp.interactions.belonging import require_belonging
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.depositing import find_superseded
from fhir_dmp.interactions.reimbursing import check_reimbursements
from fhir_dmp.interactions.request import Request
from fhir_dmp.resource import Identity, Version
from fhir_dmp.search.facts import END
from fhir_dmp.store.job_port import Job, JobKind
from fhir_dmp.store.port import Change, Writer


async def find_consequences(
    context: Context,
    writer: Writer,
    request: Request,
    changes: Sequence[Change],
    done: Collection[Identity] = frozenset(),
    written: Mapping[Identity, Version] = MappingProxyType({}),
) -> list[Change]:
    """Checks what is deposited, and returns the further changes (see find_superseded); raises FhirError.

    `done` is what becomes obsolete by a change of its own, `written` all that is written at once.
    What the changes make due is scheduled: it is lost with them, should the transaction fail.
    """
    check_reimbursements(context, request, changes)
    await require_belonging(context, request, changes, written)
    superseded = await find_superseded(context, writer, request, changes, done)
    await schedule_due(context, writer, request, changes)
    return superseded


async def schedule_due(context: Context, writer: Writer, request: Request, changes: Sequence[Change]) -> None:
    """Schedules what becomes due by changes, in their transaction; by those of the server itself nothing does."""
    for job in find_due(context, request, changes):
        await writer.schedule(job)


def find_due(context: Context, request: Request, changes: Sequence[Change]) -> Iterator[Job]:
    """Yields what becomes due by changes."""
    if request.requester.kind is Kind.SYSTEM:
        return
    for change in changes:
        found = (_leaving(change), _told(context, change))
        yield from (job for job in found if job)


def _told(context: Context, change: Change) -> Job | None:
    """The patient is told of what a professional holds back from him (CSP R1111-53)."""
    if change.version.identity.resource_type == "Provenance":
        # it says who held it back, and is held back with it
        return None
    opens = change.facts.security.opens if change.facts else None
    before = change.previous_facts.security.opens if change.previous_facts else None
    if opens is None or opens == before or opens <= context.now() or not change.version.patient:
        return None
    return Job(JobKind.NOTIFY, str(change.version.identity), notice_due(opens, context.now()), {})


def _leaving(change: Change) -> Job | None:
    """A reimbursement leaves the record when its window is over."""
    facts = change.facts
    if facts is None or facts.security.span is None or not is_reimbursement(facts):
        return None
    due = leaves_at(facts.security.span[1])
    return Job(JobKind.LEAVE, str(change.version.identity), due, {}) if due < END else None
