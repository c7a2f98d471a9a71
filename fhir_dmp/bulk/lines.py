"""The lines of an upload, as they come from the store: http://ndjson.org. None is held but the one that is read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

LONGEST = 64 * 1024 * 1024
"""Bytes of a line from which on it is not held: no resource is as long."""


class Line(NamedTuple):
    """A line: its number from 1 on, where it ends (the byte after it), and its text, None where it is too long."""

    number: int
    end: int
    text: bytes | None


async def read_lines(parts: AsyncIterator[bytes], offset: int = 0, number: int = 0) -> AsyncIterator[Line]:
    """Yields the lines of bytes that begin at `offset`, after `number` lines. An empty last one is none."""
    rest, is_long = bytearray(), False
    async for part in parts:
        *ended, last = part.split(b"\n")
        for piece in ended:
            rest += piece
            offset, number = offset + len(piece) + 1, number + 1
            yield Line(number, offset, None if is_long or len(rest) > LONGEST else bytes(rest))
            rest.clear()
            is_long = False
        rest += last
        offset += len(last)
        if len(rest) > LONGEST:
            rest.clear()
            is_long = True
    if rest or is_long:
        yield Line(number + 1, offset, None if is_long else bytes(rest))
