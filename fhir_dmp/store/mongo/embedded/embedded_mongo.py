"""The embedded MongoDB: a one-node replica set on the loopback address, for servers that are given no other.

It lives as long as the server: guard.py ends it when the server is gone, however that came about, and supervisor.py
starts it again, at the same address, when it ends while the server lives. What was acknowledged with a write concern
of majority, MongoDB's default, is in its journal and survives both.

It admits nobody but those who know the connection string, which is new at each start: other users of the machine must
not read medical records past the server's access decisions.

This module and those it uses (data_folder, guard, mongod, process, replica_set, supervisor) are the only ones of the
project that start processes.
"""

from __future__ import annotations

import os
import secrets
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from fhir_dmp.store.mongo.embedded.data_folder import DataFolder
from fhir_dmp.store.mongo.embedded.mongod import MongodError, find_mongod, mongod_command
from fhir_dmp.store.mongo.embedded.replica_set import free_port, replica_set_uri
from fhir_dmp.store.mongo.embedded.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType


class EmbeddedMongo:
    """A MongoDB on `folder`, which is created if absent, from `start` to `stop` or for the length of a `with`.

    `cache_gb` is the size of WiredTiger's cache (0.25 or more), `transaction_seconds` how long a transaction may stay
    open. `on_failure` is called, in another thread, if mongod keeps dying and is no longer started again.

    It belongs to the process that starts it, which must outlive those that use the connection string.
    """

    def __init__(
        self,
        folder: Path,
        *,
        cache_gb: float = 0.5,
        transaction_seconds: int = 60,
        on_failure: Callable[[MongodError], None] = lambda _: None,
    ) -> None:
        self._path = folder
        self._cache_gb = cache_gb
        self._transaction_seconds = transaction_seconds
        self._on_failure = on_failure
        self._owner = os.getpid()
        self._uri: str | None = None
        self._until_stop = ExitStack()

    @property
    def uri(self) -> str:
        """The connection string. It is a secret: it opens the database. Raises MongodError when not started."""
        if self._uri is None:
            message = "the embedded MongoDB is not started"
            raise MongodError(message)
        return self._uri

    def start(self) -> None:
        """Return when the database can be written to.

        Raises MongodError: MongodUnavailable without a usable mongod, DataFolderInUseError beside another server.
        """
        if self._uri is not None:
            return
        try:
            with ExitStack() as undo:
                self._uri = self._start(undo)
                self._until_stop = undo.pop_all()
        except OSError as error:
            at = f" ({error.filename})" if error.filename else ""
            message = f"the embedded MongoDB cannot start on {self._path}: {error.strerror}{at}"
            raise MongodError(message) from error

    def stop(self) -> None:
        """Shut the database down; returns when it has ended. No effect if it is not started, or in a forked process."""
        if self._owner == os.getpid():
            self._uri = None
            self._until_stop.close()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop."""
        self.stop()

    def _start(self, undo: ExitStack) -> str:
        mongod = find_mongod()
        folder = DataFolder(self._path)
        undo.callback(folder.release)
        port = free_port(folder.last_port)
        folder.remember_port(port)
        command = mongod_command(
            mongod, folder.data, port=port, cache_gb=self._cache_gb, transaction_seconds=self._transaction_seconds
        )
        key = secrets.token_hex(32)
        supervisor = Supervisor(command, folder, port=port, key=key, on_failure=self._on_failure)
        undo.callback(supervisor.stop)
        supervisor.start()
        uri = replica_set_uri(port, key)
        folder.publish(uri)
        return uri
