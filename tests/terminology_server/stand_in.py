"""A terminology server on this machine that knows a few codes, and misbehaves on request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

MEMBERS = {"http://loinc.org": {"8867-4", "8310-5"}}


class StandIn:
    """Answers $validate-code for LOINC; a code that is a key of `faults` has that fault instead."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.faults: dict[str, str] = {}
        self.asked_once = asyncio.Event()
        self.release = asyncio.Event()
        self.base_url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers the requests of one connection."""
        try:
            while line := await reader.readline():
                while (await reader.readline()).strip():
                    pass
                await self._reply(line.split()[1].decode(), writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _reply(self, target: str, writer: asyncio.StreamWriter) -> None:
        self.asked.append(target)
        self.asked_once.set()
        query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        fault = self.faults.get(query["code"], "")
        if fault == "slow":
            await self.release.wait()
        if fault == "cut":
            writer.close()
            return
        head, body = self._answer(query, fault)
        writer.write(f"HTTP/1.1 {head}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()

    def _answer(self, query: dict[str, str], fault: str) -> tuple[str, bytes]:
        if fault == "redirect":
            return f"302 Found\r\nlocation: {self.base_url}/other?code={query['code']}", b""
        if fault in {"500 x", "404 x", "422 x"}:
            return fault, b"{}"
        if fault == "garbage":
            return "200 OK", b"<html>welcome</html>"
        if fault == "huge":
            return "200 OK", b" " * 2_000_000
        result = query["code"] in MEMBERS.get(query.get("system", "http://loinc.org"), ())
        rows = [{"name": "result", "valueBoolean": result}]
        return "200 OK", json.dumps({"resourceType": "Parameters", "parameter": rows}).encode()


@asynccontextmanager
async def stand_in() -> AsyncIterator[StandIn]:
    """Runs a StandIn on a free port."""
    found = StandIn()
    server = await asyncio.start_server(found.serve, "127.0.0.1")
    found.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/fhir"
    try:
        yield found
    finally:
        found.release.set()
        server.close()
