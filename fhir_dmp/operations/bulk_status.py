"""$dmp-bulk-status: how far an export is, then its manifest; by DELETE, its end. $dmp-bulk-file: one of its files.

https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-status-request. Of whom did not ask for it, there is none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from fhir_dmp.access.requester import read_requester
from fhir_dmp.bulk.asked import Asked, is_same, read_asked
from fhir_dmp.bulk.ndjson import MEDIA_TYPE, write_lines
from fhir_dmp.bulk.selection import open_export
from fhir_dmp.instant import write_http_date, write_instant
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed
from fhir_dmp.interactions.joins import is_emergency
from fhir_dmp.interactions.request import Request, Result, Status
from fhir_dmp.json_text import JsonObject, write_json
from fhir_dmp.operations.bulk_kickoff import KEPT
from fhir_dmp.operations.parameters import read_inputs
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.store.bulk_port import Export
from fhir_dmp.store.job_port import JobKind
from fhir_dmp.store.port import Writer

STATUS = "https://fhir-dmp.fr/OperationDefinition/dmp-bulk-status"
FILE = "https://fhir-dmp.fr/OperationDefinition/dmp-bulk-file"
RETRY_SECONDS = 5


async def bulk_status(context: Context, request: Request) -> Result:
    """Returns how far an export is or, once it is divided, the manifest of its files."""
    export = await _find(context, request)
    asked = read_asked(export.asked)
    if export.fault:
        raise error(Category(export.fault["category"]), export.fault["code"], export.fault["message"])
    await open_export(context, request, asked)
    if not export.is_done:
        # as in the manifest, no counts: that there are files says that there is something
        progress = f"{export.place[0]} of {len(asked.types)} types"
        return Result(Status.ACCEPTED, headers=[("x-progress", progress), ("retry-after", str(RETRY_SECONDS))])
    headers = [("expires", write_http_date(export.began + KEPT)), ("cache-control", "no-store")]
    manifest = write_json(_build_manifest(context, export, asked))
    # in an emergency that there are files is something too
    opened = (asked.patients or ()) if export.parts and is_emergency(request) else ()
    answer = Result(Status.OK, body=manifest, media_type="application/json", headers=headers)
    return replace(answer, patients=opened, opened=opened)


async def bulk_cancel(context: Context, request: Request) -> Result:
    """Ends an export: nothing of it can be had any more."""
    export = await _find(context, request)

    async def work(writer: Writer) -> None:
        await writer.cancel(JobKind.EXPORT, export.export_id)

    await context.store.transact(work)
    await context.exports.remove(export.export_id)
    return Result(Status.ACCEPTED)


async def bulk_file(context: Context, request: Request) -> Result:
    """Returns a file of an export, as far as its requester may see it now."""
    export = await _find(context, request, "file")
    number = read_inputs(context, request, ("_export", "file")).number("file")
    if number is None or number >= len(export.parts) or not export.is_done:
        raise _absent()
    asked = read_asked(export.asked)
    lines = write_lines(context, request, asked, export.parts[number], export.began)
    # what goes wrong at once is answered as an error; later the connection breaks off
    first = await anext(lines, b"")
    return Result(
        Status.OK, stream=_chain(first, lines), media_type=MEDIA_TYPE, headers=[("cache-control", "no-store")]
    )


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for lines in rest:
        yield lines


async def _find(context: Context, request: Request, *more: str) -> Export:
    """The export that is named, where it is the requester's own."""
    check_exposed(context, request, "operation")
    name = read_inputs(context, request, ("_export", *more)).needed_text("_export", 64)
    export = await context.exports.find(name)
    if export is None or not is_same(request.requester, read_requester(export.owner)):
        raise _absent()
    if export.began + KEPT <= context.now():
        raise _absent()
    return export


def _absent() -> FhirError:
    return error(Category.NOT_FOUND, "resource-absent", "There is no such export here.")


def _build_manifest(context: Context, export: Export, asked: Asked) -> JsonObject:
    """Without counts: what is counted now may be hidden when it is fetched.

    Its time is one from before which nothing was still on its way into the store: exports since then miss nothing.
    """
    base = f"{context.base_url}/$dmp-bulk-file?_export={export.export_id}"
    rows = [{"type": part.resource_type, "url": f"{base}&file={n}"} for n, part in enumerate(export.parts)]
    return {
        "transactionTime": write_instant(export.settled),
        "request": asked.url,
        "requiresAccessToken": True,
        "output": rows,
        "error": [],
    }
