"""An export is divided into files: where each begins and ends, type by type, from where the last worker was."""

from __future__ import annotations

from fhir_dmp.access.requester import read_requester
from fhir_dmp.bulk.asked import read_asked
from fhir_dmp.bulk.selection import build_query, open_export
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.request import Request
from fhir_dmp.outcome import Category, FhirError
from fhir_dmp.store.bulk_port import Export, Part
from fhir_dmp.store.job_port import Jobs, Lease

SIZE = 20_000
"""Resources of a file, at most."""


async def divide(context: Context, jobs: Jobs, lease: Lease) -> bool:
    """Divides the export that a job names; returns False where another worker took it over meanwhile."""
    export_id = lease.job.subject
    while await jobs.keep(lease, context.now()):
        export = await context.exports.find(export_id)
        if export is None or export.is_done:
            return True
        try:
            await _step(context, export)
        except FhirError as fault:
            if fault.category is Category.UNAVAILABLE:
                raise
            first = fault.issues[0]
            why = {"category": fault.category.value, "code": first.code, "message": first.message}
            await context.exports.end(export_id, why)
    return False


async def _step(context: Context, export: Export) -> None:
    """Finds where the next file ends."""
    asked, (done, after) = read_asked(export.asked), export.place
    if done == len(asked.types):
        await context.exports.end(export.export_id)
        return
    request = Request(read_requester(export.owner))
    resource_type = asked.types[done]
    query = await build_query(context, request, asked, resource_type, SIZE, after)
    until, count = await context.reader.reach(query, await open_export(context, request, asked))
    part = Part(resource_type, after, until) if count else None
    place = (done, until) if count == SIZE else (done + 1, "")
    await context.exports.advance(export, part, place)
