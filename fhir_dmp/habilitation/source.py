"""MatrixSource: the habilitation matrix that holds now, put in place of the former at once.

The one that comes with the server holds until somebody chooses another; from then on a new version of the server
changes nothing. docs/decisions/0020-habilitation-matrix.md
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fhir_dmp.access.matrix import Matrix, parse_matrix
from fhir_dmp.habilitation.port import MatricesUnavailable, MatrixStore
from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import JsonObject
from fhir_dmp.watch import following

POLL_SECONDS = 5.0
"""How long after a failure the matrix is looked at again."""

_logger = logging.getLogger(__name__)


class MatrixSource:
    """Reads the version in force when the server starts, and whenever there is a newer one."""

    def __init__(self, store: MatrixStore, shipped: JsonObject) -> None:
        """Until `load` has run, the matrix is the one that comes with the server."""
        self._store = store
        self._shipped = shipped
        self._matrix = parse_matrix(shipped)
        self._number = 0

    def matrix(self) -> Matrix:
        """Returns the matrix that holds now: the same object until another version does."""
        return self._matrix

    async def begin(self, now: Callable[[], Milliseconds]) -> None:
        """Puts the shipped matrix in force where nobody chose another; raises MatricesUnavailable, VersionTaken.

        One that was in force before is not: a server of an older version that starts again changes nothing.
        """
        kept = await self._store.kept()
        is_chosen = any(not row.is_shipped for row in kept)
        if not is_chosen and all(row.table != self._shipped for row in kept):
            await self._store.put_in_force(self._shipped, now(), is_shipped=True)
        await self.load()

    async def load(self) -> None:
        """Returns when the matrix is the one in force; raises MatricesUnavailable."""
        current = await self._store.current()
        if current is None or current.number == self._number:
            return
        try:
            self._matrix = parse_matrix(current.table)
        except (LookupError, TypeError, ValueError) as fault:
            raise MatricesUnavailable(f"version {current.version} is no habilitation matrix: {fault}") from fault
        self._number = current.number
        _logger.info("habilitation matrix %s is in force", current.version)

    def watching(self) -> AbstractAsyncContextManager[None]:
        """Follows the versions that come, for the length of a `with`."""
        return following(
            self._store.changes,
            self.load,
            MatricesUnavailable,
            what="the habilitation matrix",
            poll_seconds=POLL_SECONDS,
        )
