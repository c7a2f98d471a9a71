"""Keeps mongod running for as long as the server lives: starts it, and starts it again when it ends."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from fhir_dmp.store.mongo.embedded.mongod import MongodError
from fhir_dmp.store.mongo.embedded.process import LOG, MongodProcess
from fhir_dmp.store.mongo.embedded.replica_set import make_primary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fhir_dmp.store.mongo.embedded.data_folder import DataFolder

_logger = logging.getLogger(__name__)

_READY_SECONDS = 120
_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6)  # seconds before each new attempt
_STEADY_SECONDS = 30  # a mongod that has lived this long is not one that keeps dying


class Supervisor:
    """Runs `command`, a mongod on `port`, in `folder`, from `start` to `stop`.

    `on_failure` is called, in another thread, if mongod keeps dying and is given up.
    """

    def __init__(
        self, command: list[str], folder: DataFolder, *, port: int, key: str, on_failure: Callable[[MongodError], None]
    ) -> None:
        self._command = command
        self._folder = folder
        self._port = port
        self._key = key
        self._on_failure = on_failure
        self._changing = threading.Lock()
        self._stopping = threading.Event()
        self._process: MongodProcess | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Return when mongod is a writable primary. Raises MongodError or OSError."""
        process = self._bring_up()
        self._thread = threading.Thread(target=self._supervise, args=[process], name="mongod-supervisor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Return when mongod has shut down and will not be started again."""
        self._stopping.set()
        with self._changing:
            process = self._process
        if process is not None:
            process.end()
        if self._thread is not None:
            self._thread.join()

    def _bring_up(self) -> MongodProcess:
        with self._changing:
            self._check_not_stopping()
            self._folder.write_key(self._key)
            process = self._process = MongodProcess(self._command, self._folder.path)
        deadline = time.monotonic() + _READY_SECONDS

        def still_wanted(state: str) -> None:
            self._check_not_stopping()
            if not process.running():
                raise self._error(process.last_words())
            if time.monotonic() > deadline:
                overdue = f"not ready after {_READY_SECONDS} s, {state}"
                raise self._error(overdue)

        try:
            make_primary(self._port, self._key, still_wanted)
        except BaseException:
            process.end()
            raise
        finally:
            self._folder.remove_key()
        return process

    def _check_not_stopping(self) -> None:
        if self._stopping.is_set():
            message = "the embedded MongoDB is being stopped"
            raise MongodError(message)

    def _error(self, reason: str) -> MongodError:
        return MongodError(f"mongod does not run: {reason} (log: {self._folder.path / LOG})")

    def _supervise(self, process: MongodProcess) -> None:
        """Start mongod again each time it has ended, until the server stops or it keeps dying."""
        running: MongodProcess | None = process
        pauses = iter(_PAUSES)
        while running is not None:
            began = time.monotonic()
            running.wait()
            if time.monotonic() - began > _STEADY_SECONDS:
                pauses = iter(_PAUSES)
            running = self._restart(self._error(running.last_words()), pauses)

    def _restart(self, error: Exception, pauses: Iterator[float]) -> MongodProcess | None:
        """Start mongod again, each time after a longer pause; None if the server stops or no pause is left."""
        for pause in pauses:
            if self._stopping.is_set():
                return None
            _logger.warning("%s; starting it again", error)
            self._stopping.wait(pause)
            try:
                return self._bring_up()
            except (MongodError, OSError) as failure:
                error = failure
        if not self._stopping.is_set():
            self._give_up(error)
        return None

    def _give_up(self, error: Exception) -> None:
        failure = MongodError(f"mongod is not started again after {len(_PAUSES)} attempts: {error}")
        _logger.critical("%s", failure)
        self._on_failure(failure)
