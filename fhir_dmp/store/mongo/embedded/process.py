"""One run of mongod under its guard, and what it said when it ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from fhir_dmp.store.mongo.embedded import guard
from fhir_dmp.store.mongo.embedded.mongod import exit_words, mongod_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOG = "mongod.log"

_SIGNALLED = 128
_END_SECONDS = 2 * guard.GRACE_SECONDS + 5
_WORDS_BYTES = 1_000_000
_WORDS_LENGTH = 300


class MongodProcess:
    """A mongod started by `command`, with its log and its lock in `folder`; it ends with this process at the latest."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._log = folder / LOG
        log = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._log_start = os.fstat(log).st_size
        script = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), str(folder / "guard.lock")]
        try:
            self._guard = subprocess.Popen(  # noqa: S603 - our own script, without a shell
                [*script, *command],
                cwd=folder,
                env=mongod_environment(),
                start_new_session=True,  # Ctrl-C is for the server, which ends mongod when it is done with it
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        finally:
            os.close(log)

    def running(self) -> bool:
        """Whether it has not ended."""
        return self._guard.poll() is None

    def wait(self) -> None:
        """Wait, without polling, until it has ended."""
        self._guard.wait()
        self._close_pipe()

    def end(self) -> None:
        """Shut it down cleanly, or after some seconds in any case; returns when it has ended."""
        self._close_pipe()
        try:
            self._guard.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()

    def _close_pipe(self) -> None:
        """The guard ends mongod when this pipe closes."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()

    def last_words(self) -> str:
        """How it ended and, where it gave one, the reason, in one line."""
        code = self._guard.returncode
        how = "still running" if code is None else exit_words(code if code < _SIGNALLED else _SIGNALLED - code)
        said = self._said()
        return f"{how}: {said}" if said else how

    def _said(self) -> str:
        """The first error in the log of this run, or else the first line that is no log record."""
        plain = ""
        for line in self._log_lines():
            record = _log_record(line)
            if record is None:
                plain = plain or line
            elif record.get("s") in {"E", "F"}:
                return _error_text(record)
        return plain[:_WORDS_LENGTH]

    def _log_lines(self) -> Iterator[str]:
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            text = log.read(_WORDS_BYTES).decode(errors="replace")
        return (line.strip() for line in text.splitlines() if line.strip())


def _log_record(line: str) -> dict[str, object] | None:
    """A line of mongod's structured log (https://www.mongodb.com/docs/v6.0/reference/log-messages/), or None."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _error_text(record: dict[str, object]) -> str:
    attributes = record.get("attr")
    detail = attributes.get("error", attributes) if isinstance(attributes, dict) else ""
    if isinstance(detail, dict):
        detail = detail.get("errmsg") or detail.get("message") or json.dumps(detail)
    return f"{record.get('msg')}: {' '.join(str(detail).split())}"[:_WORDS_LENGTH]
