"""$import: lines of resources are uploaded, and taken in by a job, each as if it had come alone (docs/decisions/0039).

It follows the pattern of https://hl7.org/fhir/uv/bulkdata/STU2: kick-off, status, a file of what went wrong.
"""

from __future__ import annotations

from fhir_dmp.access.requester import Kind, read_requester, write_requester
from fhir_dmp.bulk.asked import is_same
from fhir_dmp.bulk.ndjson import MEDIA_TYPE
from fhir_dmp.bundle import build_link
from fhir_dmp.instant import Milliseconds, write_http_date, write_instant
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed
from fhir_dmp.interactions.request import Request, Result, Status
from fhir_dmp.json_text import JsonObject, write_json
from fhir_dmp.operations.bulk_status import RETRY_SECONDS
from fhir_dmp.operations.parameters import read_inputs
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.store.import_port import Import
from fhir_dmp.store.job_port import Job, JobKind
from fhir_dmp.store.port import Writer

_OURS = "https://fhir-dmp.fr/OperationDefinition"
IMPORT, STATUS, ERRORS = f"{_OURS}/import", f"{_OURS}/dmp-bulk-import-status", f"{_OURS}/dmp-bulk-import-errors"
COUNTS = "https://fhir-dmp.fr/bulk-import-counts"
"""The extension of the manifest that says how many lines were stored and refused."""
LONGEST: Milliseconds = 14 * 24 * 3_600_000
"""How long an import can be under way, and be asked about."""
_FEEDERS = frozenset({Kind.SYSTEM, Kind.ADMINISTRATOR, Kind.HOSPITAL})


async def bulk_import(context: Context, request: Request) -> Result:
    """Keeps what is uploaded and has it taken in; 202 once it is durable."""
    check_exposed(context, request, "operation")
    if request.requester.kind not in _FEEDERS:
        raise error(Category.FORBIDDEN, "not-allowed", "The token does not allow this.")
    read_inputs(context, request, ())
    if not request.is_async:
        message = "An import takes its time: it has to be asked for with the header Prefer: respond-async."
        raise error(Category.INVALID_PARAMETER, "parameter-missing", message)
    if request.content is None:
        message = f"An import is a request of its own, whose body is {MEDIA_TYPE}."
        raise error(Category.UNSUPPORTED_MEDIA_TYPE, "media-type", message)
    kept = await context.store.contents.keep(request.content)
    import_id, now = context.new_id(), context.now()
    url = build_link(context.base_url, request.path, request.parameters)
    owner = write_requester(request.requester)
    await context.store.imports.begin(Import(import_id, owner, url, kept.key, kept.size, now, now + LONGEST))

    async def work(writer: Writer) -> None:
        await writer.schedule(Job(JobKind.IMPORT, import_id, now, {}))

    await context.store.transact(work)
    status = f"{context.base_url}/$dmp-bulk-import-status?_import={import_id}"
    return Result(Status.ACCEPTED, headers=[("content-location", status)])


async def import_status(context: Context, request: Request) -> Result:
    """Returns how far an import is or, once it is done, its manifest."""
    found = await _find(context, request)
    place = found.place
    if not found.is_done:
        share = 100 * place.offset // max(found.size, 1)
        progress = f"{share} %, {place.line} lines, {place.refused} refused"
        return Result(Status.ACCEPTED, headers=[("x-progress", progress), ("retry-after", str(RETRY_SECONDS))])
    headers = [("expires", write_http_date(found.ends)), ("cache-control", "no-store")]
    manifest = write_json(_build_manifest(context, found))
    return Result(Status.OK, body=manifest, media_type="application/json", headers=headers)


async def import_cancel(context: Context, request: Request) -> Result:
    """Ends an import: no further line is taken in. What was stored stays."""
    found = await _find(context, request)

    async def work(writer: Writer) -> None:
        await writer.cancel(JobKind.IMPORT, found.import_id)

    await context.store.transact(work)
    await context.store.imports.remove(found.import_id)
    return Result(Status.ACCEPTED)


async def import_errors(context: Context, request: Request) -> Result:
    """Returns the OperationOutcomes of the lines that were refused so far."""
    found = await _find(context, request)
    lines = (outcome + b"\n" async for outcome in context.store.imports.outcomes(found.import_id))
    return Result(Status.OK, stream=lines, media_type=MEDIA_TYPE, headers=[("cache-control", "no-store")])


async def _find(context: Context, request: Request) -> Import:
    """The import that is named, where it is the requester's own."""
    check_exposed(context, request, "operation")
    name = read_inputs(context, request, ("_import",)).needed_text("_import", 64)
    found = await context.store.imports.find(name)
    if found is None or found.ends <= context.now() or not is_same(request.requester, read_requester(found.owner)):
        raise _absent()
    return found


def _absent() -> FhirError:
    return error(Category.NOT_FOUND, "resource-absent", "There is no such import here.")


def _build_manifest(context: Context, found: Import) -> JsonObject:
    url = f"{context.base_url}/$dmp-bulk-import-errors?_import={found.import_id}"
    refused = {"type": "OperationOutcome", "url": url, "count": found.place.refused}
    return {
        "transactionTime": write_instant(found.began),
        "request": found.url,
        "requiresAccessToken": True,
        "output": [],
        "error": [refused] if found.place.refused else [],
        "extension": {COUNTS: {"stored": found.place.stored, "refused": found.place.refused}},
    }
