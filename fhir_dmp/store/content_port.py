"""The store's port for what is too large for a resource: the contents of Binaries, each a sequence of bytes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Content:
    """What is kept of a content: the key it is read by, its bytes, and its SHA-1 (20 bytes), which FHIR asks for."""

    key: str
    size: int
    sha1: bytes


class Contents(Protocol):
    """Contents by key. A key says nothing of the content, and is told to no client."""

    async def keep(self, parts: AsyncIterable[bytes]) -> Content:
        """Stores a content and returns when it is durable; what `parts` raises passes, and leaves nothing.

        The same content again is stored once, and takes as long. A version has to name it within a day.
        """
        ...

    async def describe(self, key: str) -> Content | None:
        """Returns what is kept under a key, None where nothing is."""
        ...

    def read(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Yields the bytes from `start` to before `end`, some at a time."""
        ...
