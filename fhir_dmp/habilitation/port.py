"""The port of habilitation matrices: where every version is kept, for all servers of one database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import JsonObject


class MatricesUnavailable(Exception):
    """The place where matrices are kept does not answer; the message says why."""


class VersionTaken(Exception):
    """Another table is kept under the same version: a trace that names it would name two."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A version of the matrix: its number (from 1 on, in the order in which they came into force), and since when.

    `is_shipped` tells whether it came with the server, and nobody chose it.
    """

    number: int
    version: str
    since: Milliseconds
    table: JsonObject
    is_shipped: bool


class MatrixStore(Protocol):
    """All versions of the matrix: none is ever changed or removed. Methods may raise MatricesUnavailable."""

    async def current(self) -> Kept | None:
        """Returns the version in force, None where none was ever kept."""
        ...

    async def kept(self) -> Sequence[Kept]:
        """Returns every version, the first one first."""
        ...

    async def put_in_force(self, table: JsonObject, at: Milliseconds, *, is_shipped: bool) -> Kept:
        """Keeps a table as the newest version and returns it; one that is in force already changes nothing.

        Raises VersionTaken.
        """
        ...

    def changes(self) -> AsyncIterator[None]:
        """Yields once when it has begun to watch, and then whenever a version has come."""
        ...
