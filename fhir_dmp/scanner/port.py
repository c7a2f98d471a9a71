"""The scanner as interactions see it."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Protocol


class ScannerAway(Exception):
    """The scanner could not be asked, or gave no verdict: nothing that it should have looked at may be stored."""


class Scanner(Protocol):
    """Looks at contents. It is asked before they are stored."""

    async def scan(self, chunks: AsyncIterable[bytes]) -> str:
        """Returns the name of what is harmful in a content, "" where nothing is; raises ScannerAway."""
        ...
