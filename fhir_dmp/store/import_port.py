"""Imports: what is taken in from lines that were uploaded, how far it is, and what was refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import JsonObject


class Overtaken(Exception):
    """An import is not where its worker left it: another has it, or it was cancelled. Nothing more may be written."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far an import is: the bytes and lines that are done with, and of these how many were stored or refused."""

    offset: int = 0
    line: int = 0
    stored: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Import:
    """An import of the lines that `contents` keeps under `key`, `size` bytes of them.

    `owner` is who asked, as fhir_dmp.access.requester writes him; `url` the request as sent; `began` is when. It is
    there until `ends`.
    """

    import_id: str
    owner: JsonObject
    url: str
    key: str
    size: int
    began: Milliseconds
    ends: Milliseconds
    place: Place = Place()
    is_done: bool = False


class Imports(Protocol):
    """The imports that are not over. Every method may raise FhirError (unavailable)."""

    async def begin(self, found: Import) -> None:
        """Keeps an import, and with it the content that it names."""
        ...

    async def find(self, import_id: str) -> Import | None:
        """Returns an import, None where there is none or it is over."""
        ...

    async def refuse(self, found: Import, after: Place, outcome: bytes) -> None:
        """Keeps the OperationOutcome of the line that ends `after`, and that it is done with; raises Overtaken."""
        ...

    async def end(self, import_id: str, ends: Milliseconds) -> None:
        """Says that all lines are done with, and lets go of the content; it is there until `ends`."""
        ...

    async def remove(self, import_id: str) -> None:
        """Forgets an import, and what was refused. What was stored stays."""
        ...

    def outcomes(self, import_id: str) -> AsyncIterator[bytes]:
        """Yields the OperationOutcomes of what was refused so far, in the order of the lines."""
        ...
