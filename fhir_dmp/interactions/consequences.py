"""What follows of changes: documents that others make obsolete, and what becomes due at a date."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fhir_dmp.access.reimbursement import is_reimbursement, leaves_at
from fhir_dmp.access.requester import Kind
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.depositing import find_superseded
from fhir_dmp.interactions.reimbursing import check_reimbursements
from fhir_dmp.interactions.request import Request
from fhir_dmp.store.job_port import Job, JobKind
from fhir_dmp.store.port import Change, Writer


async def find_consequences(
    context: Context, writer: Writer, request: Request, changes: Sequence[Change], together: Sequence[Change] = ()
) -> list[Change]:
    """Checks what is deposited, and returns the further changes (see find_superseded); raises FhirError.

    What the changes make due is scheduled: it is lost with them, should the transaction fail.
    """
    check_reimbursements(context, request, changes)
    superseded = await find_superseded(context, writer, request, changes, together)
    for job in _find_due(request, changes):
        await writer.schedule(job)
    return superseded


def _find_due(request: Request, changes: Sequence[Change]) -> Iterator[Job]:
    for change in changes:
        if request.requester.kind is Kind.HEALTH_INSURANCE and (leaving := _leaving(change)):
            yield leaving


def _leaving(change: Change) -> Job | None:
    """A reimbursement leaves the record when its window is over."""
    facts = change.facts
    if facts is None or facts.security.span is None or not is_reimbursement(facts):
        return None
    return Job(JobKind.LEAVE, str(change.version.identity), leaves_at(facts.security.span[1]), {})
