"""A stand-in for clamd that speaks INSTREAM, and finds what begins as the test file of EICAR does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
MOST = 10_000_000
"""Its StreamMaxLength."""


@dataclass(slots=True)
class StandIn:
    """Where it listens, what it was given, and what it says instead of a verdict (`words`), where it should.

    Where it `is_silent`, it never answers.
    """

    port: int
    seen: list[bytes] = field(default_factory=list)
    words: bytes = b""
    is_silent: bool = False


@asynccontextmanager
async def run_clamd() -> AsyncIterator[StandIn]:
    """Runs one on a free port of this machine."""
    stand_in = StandIn(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError):
            writer.write(b"" if stand_in.is_silent else stand_in.words or await _answer(reader, stand_in))
            await writer.drain()
            await reader.read()
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    stand_in.port = server.sockets[0].getsockname()[1]
    async with server:
        yield stand_in


async def _answer(reader: asyncio.StreamReader, stand_in: StandIn) -> bytes:
    if await reader.readuntil(b"\0") != b"zINSTREAM\0":
        return b"UNKNOWN COMMAND\0"
    content = b""
    while size := int.from_bytes(await reader.readexactly(4)):
        content += await reader.readexactly(size)
        if len(content) > MOST:
            return b"INSTREAM size limit exceeded. ERROR\0"
    stand_in.seen.append(content)
    return b"stream: Eicar-Signature FOUND\0" if EICAR in content else b"stream: OK\0"
