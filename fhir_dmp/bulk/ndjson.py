"""A file of an export, as it is sent: a line for each resource, read page by page while the client takes them.

What is sent is traced before it leaves: each patient once a file. http://ndjson.org
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace

from fhir_dmp.access.requester import Kind
from fhir_dmp.bulk.asked import Asked
from fhir_dmp.bulk.selection import anew, build_query, open_export
from fhir_dmp.instant import Milliseconds
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.redaction import redact
from fhir_dmp.interactions.request import Request, Result, Status
from fhir_dmp.interactions.trace import is_traced, record
from fhir_dmp.resource import Version
from fhir_dmp.store.bulk_port import Part
from fhir_dmp.watch import end

_Pages = AsyncGenerator[Sequence[Version], None]

MEDIA_TYPE = "application/fhir+ndjson"
PAGE = 1000
_JUDGED_PAGE = 200
"""Resources at a time where each page is decided about, and may name other records."""


async def write_lines(
    context: Context, request: Request, asked: Asked, part: Part, began: Milliseconds
) -> AsyncIterator[bytes]:
    """Yields the lines of a part that the requester may see as they are sent, some at a time.

    A resource comes as it is then; one that was made after `began` is left out.
    """
    told: set[str] = set()
    pages = _read_pages(context, request, asked, part)
    if request.requester.kind is Kind.SYSTEM:
        pages = _read_ahead(pages)
    async with aclosing(pages):
        async for page in pages:
            versions = _choose(page, part, began)
            shown = await redact(context, anew(request), versions)
            await _tell(context, request, shown, told)
            if shown:
                yield b"\n".join([*(row.content or b"" for row in shown), b""])


async def _read_pages(context: Context, request: Request, asked: Asked, part: Part) -> _Pages:
    """Yields the pages of a part, each as the requester may see it when it is asked for."""
    size = PAGE if request.requester.kind is Kind.SYSTEM else _JUDGED_PAGE
    query = await build_query(context, request, asked, part.resource_type, size, part.after)
    while True:
        restriction = await open_export(context, request, asked)
        page = await context.reader.search(query, restriction)
        yield page.versions
        if page.next_keys is None or str(page.next_keys[-1]) >= part.until:
            return
        query = replace(query, after=page.next_keys)


async def _read_ahead(pages: _Pages) -> _Pages:
    """Reads each page while the one before is sent. That is for whom nothing is decided: what is decided may change."""
    async with aclosing(pages):
        reading = asyncio.create_task(_next(pages))
        try:
            while (page := await reading) is not None:
                reading = asyncio.create_task(_next(pages))
                # the query leaves before this page is written, which takes as long as the next is read
                await asyncio.sleep(0)
                yield page
        finally:
            await end(reading)


async def _next(pages: _Pages) -> Sequence[Version] | None:
    return await anext(pages, None)


def _choose(page: Sequence[Version], part: Part, began: Milliseconds) -> list[Version]:
    """The versions of a page, which come by their ids, that are of the part and not of what was made since."""
    is_within = bool(page) and str(page[-1].identity) <= part.until
    inside = page if is_within else [row for row in page if str(row.identity) <= part.until]
    return [row for row in inside if row.version_id != 1 or row.last_updated <= began]


async def _tell(context: Context, request: Request, versions: Sequence[Version], told: set[str]) -> None:
    """Traces the patients of a page whom no page before had."""
    if not is_traced(request):
        return
    patients = sorted({row.patient for row in versions if row.patient} - told)
    if patients:
        await record(context, [("operation", request, Result(Status.OK, patients=patients, opened=patients))])
        told.update(patients)
