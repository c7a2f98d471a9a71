"""The client of a clamd: INSTREAM over TCP, as clamd(8) describes it.

A content goes there in chunks, each after its length (4 bytes, big-endian), with a length of 0 at the end; the answer
is one line that ends with NUL: `stream: OK`, `stream: NAME FOUND`, or an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from dataclasses import dataclass

from fhir_dmp.scanner.port import ScannerAway

_CHUNK = 65536
_CLEAN, _BEFORE, _FOUND = "stream: OK", "stream: ", " FOUND"
_LONGEST_NAME = 128


@dataclass(frozen=True, slots=True)
class Clamd:
    """A clamd at `host` and `port`; `seconds` is the longest that it is waited for at a time.

    That is: until it is connected, until it takes the next 64 KiB, and from the last of them to its verdict. How long
    the content takes to come does not count.
    """

    host: str
    port: int
    seconds: float = 30

    async def scan(self, chunks: AsyncIterable[bytes]) -> str:
        """See the port. A content that is larger than clamd takes (StreamMaxLength) has no verdict."""
        try:
            return _read(await self._ask(chunks))
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError) as fault:
            raise ScannerAway(f"clamd at {self.host}:{self.port} gave no verdict: {fault!r}") from fault

    async def _ask(self, chunks: AsyncIterable[bytes]) -> bytes:
        async with asyncio.timeout(self.seconds):
            reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(b"zINSTREAM\0")
            async for chunk in chunks:
                for start in range(0, len(chunk), _CHUNK):
                    await self._send(writer, chunk[start : start + _CHUNK])
            await self._send(writer, b"")
            async with asyncio.timeout(self.seconds):
                return await reader.readuntil(b"\0")
        finally:
            writer.transport.abort()

    async def _send(self, writer: asyncio.StreamWriter, part: bytes) -> None:
        """Sends a part of a content; an empty one is its end."""
        writer.write(len(part).to_bytes(4) + part)
        async with asyncio.timeout(self.seconds):
            await writer.drain()


def _read(line: bytes) -> str:
    text = line.rstrip(b"\0\n").decode("utf-8", "replace")
    if text == _CLEAN:
        return ""
    if text.startswith(_BEFORE) and text.endswith(_FOUND):
        return text.removeprefix(_BEFORE).removesuffix(_FOUND)[:_LONGEST_NAME]
    raise ScannerAway(f"clamd answers {text[:_LONGEST_NAME]!r}")
