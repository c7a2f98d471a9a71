"""Exports: what was asked for in bulk, into which files it is divided. No resource is kept, but where files end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import JsonObject


@dataclass(frozen=True, slots=True)
class Part:
    """One file: the resources of a type with references beyond `after` ("": from the first on), up to `until`."""

    resource_type: str
    after: str
    until: str


@dataclass(frozen=True, slots=True)
class Export:
    """An export. `owner` is who asked and `asked` for what, as fhir_dmp.bulk writes them; `began` is when.

    What has its time before `settled` was stored by then, or is no more.

    `parts` are the files so far; `place` is how far it is divided: how many types are done, and where the next begins.
    `fault` says why one failed: category, code and message of its FhirError.
    """

    export_id: str
    owner: JsonObject
    asked: JsonObject
    began: Milliseconds
    settled: Milliseconds
    parts: tuple[Part, ...] = ()
    place: tuple[int, str] = (0, "")
    is_done: bool = False
    fault: JsonObject | None = None


class Exports(Protocol):
    """The exports that are not over. Every method may raise FhirError (unavailable)."""

    async def settled(self, now: Milliseconds) -> Milliseconds:
        """Returns a time from before which nothing is still being stored: now, or when the oldest write began.

        A resource has its lastUpdated before its transaction is committed.
        """
        ...

    async def begin(self, export: Export, ends: Milliseconds) -> None:
        """Keeps an export until `ends`."""
        ...

    async def find(self, export_id: str) -> Export | None:
        """Returns an export, None where there is none or it is over."""
        ...

    async def advance(self, found: Export, part: Part | None, place: tuple[int, str]) -> None:
        """Adds a part, if there is one, and keeps how far it is.

        Nothing where the export was cancelled, or is further than it was found: another worker took it over.
        """
        ...

    async def end(self, export_id: str, fault: JsonObject | None = None) -> None:
        """Says that an export is divided, or why it cannot be; nothing where that was said before."""
        ...

    async def remove(self, export_id: str) -> None:
        """Forgets an export."""
        ...
