"""The endpoint of a rest-hook, on this machine: it keeps what it gets and answers what a test tells it to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Json = Any
WAIT_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Got:
    """One request: its line, its headers (names in lower case), its body."""

    line: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Json:
        return json.loads(self.body)


@dataclass(slots=True)
class Endpoint:
    """`answers` are status lines for the next requests, the last one for all that follow; "" never answers."""

    url: str
    answers: list[str] = field(default_factory=lambda: ["200 OK"])
    got: list[Got] = field(default_factory=list)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def wait_for(self, count: int) -> list[Got]:
        """Returns what came, as soon as it is so much; fails where it does not come, or more is here."""
        async with asyncio.timeout(WAIT_SECONDS), self.came:
            await self.came.wait_for(lambda: len(self.got) >= count)
        assert len(self.got) == count, [row.line for row in self.got]
        return self.got

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = await _read(reader)
        async with self.came:
            self.got.append(got)
            self.came.notify_all()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer:
            writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        else:
            await reader.read()
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Got:
    line, *rows = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rows)}
    return Got(line, headers, await reader.readexactly(int(headers.get("content-length", 0))))


@asynccontextmanager
async def open_endpoint(*answers: str) -> AsyncIterator[Endpoint]:
    """Runs an endpoint for the length of a `with`."""
    endpoint = Endpoint("")
    endpoint.answers = list(answers) or endpoint.answers
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0)
    endpoint.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    async with server:
        yield endpoint
