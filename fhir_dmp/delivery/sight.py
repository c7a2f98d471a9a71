"""What a subscriber may see when it is sent, by the rights that he has then; all else does not exist for him."""

from __future__ import annotations

from dataclasses import replace

from fhir_dmp.access.clauses import every
from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import inquire, open_gate
from fhir_dmp.interactions.redaction import redact
from fhir_dmp.interactions.representation import confine
from fhir_dmp.interactions.request import Origin, Request, Result, Status
from fhir_dmp.interactions.trace import is_traced, record
from fhir_dmp.outcome import Category, FhirError
from fhir_dmp.resource import Version
from fhir_dmp.store.event_port import Notice

_HIDING = frozenset({Category.FORBIDDEN, Category.NOT_FOUND, Category.NOT_ALLOWED})
"""What the gate says of what one may not see; anything else passes, and is asked again later."""


async def see(context: Context, who: Requester, notice: Notice) -> Version | None:
    """Returns the version of a notice as its subscriber may see it now; None where it is hidden, or erased."""
    request = _ask(context, await confine(context, who), notice)
    try:
        restriction = await _open(context, request)
    except FhirError as fault:
        if fault.category in _HIDING:
            return None
        raise
    version = await context.reader.read_version(request.identity, notice.event.version_id, restriction)
    return (await redact(context, request, [version]))[0] if version else None


async def trace(context: Context, who: Requester, notice: Notice, shown: Version) -> None:
    """Records that a subscriber is told of a version, before he is."""
    request = _ask(context, who, notice)
    if is_traced(request):
        await record(context, [("vread", request, Result(Status.OK, shown))])


async def _open(context: Context, request: Request) -> Restriction:
    """To be told of something is to find it and to read it: the scopes of both are needed."""
    restriction = await open_gate(context, request, "vread")
    if request.requester.kind is Kind.SYSTEM:
        return restriction
    searching = await inquire(context, request, "search-type")
    return Restriction(every([restriction.clause, searching.scope]))


def _ask(context: Context, who: Requester, notice: Notice) -> Request:
    event = notice.event
    path = f"{event.identity}/_history/{event.version_id}"
    made = Request(who, *event.identity, version_id=str(event.version_id), path=path)
    return replace(made, origin=Origin(request_id=f"Subscription/{notice.subscription_id}", began=context.now()))
