"""How a command ends: its exit code, and the one line that says why."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of every command."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    ENVIRONMENT = 3
    INTERRUPTED = 130


class CommandError(Exception):
    """Ends a command. The message is for the person at the terminal: one line, without a full stop."""

    def __init__(self, code: Exit, message: str) -> None:
        """Puts the message on one line, wherever it comes from."""
        super().__init__(" ".join(message.split()))
        self.code = code
