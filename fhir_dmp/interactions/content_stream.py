"""A large content is looked at while it is stored: where something is wrong with it, nothing of it is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fhir_dmp.access.requester import SERVER, Kind
from fhir_dmp.interactions.content_safety import find_harm
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.refusal import DepositRefused
from fhir_dmp.interactions.request import Request
from fhir_dmp.outcome import Category, FhirError, Issue, error
from fhir_dmp.record.content import HEAD, explain_type
from fhir_dmp.watch import end

_Parts = AsyncIterator[bytes]
_BINARY = "Binary"


@asynccontextmanager
async def looked_through(context: Context, request: Request, parts: _Parts, media_type: str) -> AsyncIterator[_Parts]:
    """Yields the parts of a Binary's content, as content_safety.require_safe looks at small ones.

    What is read inside of the `with` raises FhirError, at the latest after the last part, for what must not be stored.
    """
    if request.requester.kind is not Kind.SYSTEM:
        parts = _typed(parts, media_type)
    if context.scanner is None or request.requester == SERVER:
        yield parts
        return
    scan = _Scan(context)
    try:
        yield scan.watch(parts)
    finally:
        await scan.aclose()


async def _typed(parts: _Parts, media_type: str) -> _Parts:
    """Looks at the first bytes before it lets any pass."""
    head = b""
    async for part in parts:
        head += part
        if len(head) >= HEAD:
            break
    if message := explain_type(media_type, head[:HEAD]):
        raise _refusal(Issue("error", "content-type", message, f"{_BINARY}.contentType"))
    yield head
    async for part in parts:
        yield part


class _Scan:
    """A scan beside an upload: each part goes to the scanner first, and no faster than it takes them."""

    def __init__(self, context: Context) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        self._verdict = asyncio.create_task(find_harm(context, self._drain(), _BINARY))

    async def watch(self, parts: _Parts) -> _Parts:
        """Yields the parts; the verdict is awaited before the end is told."""
        async for part in parts:
            await self._put(part)
            yield part
        await self._put(None)
        if issue := await self._verdict:
            raise _refusal(issue)

    async def aclose(self) -> None:
        """Ends the scan of an upload that ended early."""
        await end(self._verdict)
        if not self._verdict.cancelled():
            # the upload failed first: what became of the scan is nobody's concern
            self._verdict.exception()

    async def _put(self, part: bytes | None) -> None:
        """Hands a part over; a scanner that has ended takes none, and what it did not see must not pass."""
        putting = asyncio.create_task(self._queue.put(part))
        try:
            await asyncio.wait({putting, self._verdict}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            putting.cancel()
        if self._verdict.done():
            if issue := self._verdict.result():
                raise _refusal(issue)
            raise error(Category.UNAVAILABLE, "scanner-unavailable", "The content was not looked at to its end.")

    async def _drain(self) -> _Parts:
        while (part := await self._queue.get()) is not None:
            yield part


def _refusal(issue: Issue) -> FhirError:
    fault = FhirError(Category.UNPROCESSABLE, issue)
    fault.__cause__ = DepositRefused()
    return fault
