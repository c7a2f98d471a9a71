"""delete, also conditional: https://hl7.org/fhir/R4/http.html#delete. A deletion is a version, never an erasure."""

from __future__ import annotations

from dataclasses import replace

from fhir_dmp.interactions.attachments import require_uncited
from fhir_dmp.interactions.authorisation import authorise, facts_of
from fhir_dmp.interactions.conditional import guard_key, match_one, parse_criteria, require_no_parameters
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed, open_gate
from fhir_dmp.interactions.refusal import telling_of
from fhir_dmp.interactions.request import Request, Result, Status
from fhir_dmp.interactions.update import check_preconditions
from fhir_dmp.resource import Version, build_deletion
from fhir_dmp.store.port import Change, Writer


async def delete(context: Context, request: Request) -> Result:
    """Deletes a resource; what is absent, hidden or deleted already gets the same answer."""
    restriction = await open_gate(context, request, "delete")
    require_no_parameters(request)

    async def work(writer: Writer) -> Result:
        current = (await writer.read_latest((request.identity,), restriction)).get(request.identity)
        return await _delete(context, request, current, writer)

    return await context.store.transact(work)


async def conditional_delete(context: Context, request: Request) -> Result:
    """Deletes the one resource that matches the criteria, if any."""
    check_exposed(context, request, "delete")
    query = await parse_criteria(context, request, request.resource_type, request.parameters)
    restriction = await open_gate(context, request, "delete", query.clause)

    async def work(writer: Writer) -> Result:
        await writer.guard([guard_key(request.resource_type, query)])
        return await _delete(context, request, await match_one(writer, query, restriction), writer)

    return await context.store.transact(work)


def last_version(context: Context, request: Request, current: Version | None) -> Change | None:
    """Builds the change that deletes a resource, None where it is gone; raises FhirError where a precondition fails."""
    with telling_of(current):
        check_preconditions(request.preconditions, current)
    if current is None or current.content is None:
        return None
    return Change(build_deletion(current, context.now()), current, None, facts_of(context, current))


def deleted(change: Change | None) -> Result:
    """Builds the result of a delete, whether or not there was something to delete."""
    return Result(Status.NO_CONTENT, change.version if change else None)


async def _delete(context: Context, request: Request, current: Version | None, writer: Writer) -> Result:
    change = last_version(context, request, current)
    if change:
        await authorise(context, request, "delete", [change])
        await require_uncited(replace(context, reader=writer), request, [change])
        await writer.write([change])
    return deleted(change)
