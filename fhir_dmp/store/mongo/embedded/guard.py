"""The guard: a small process between the server and mongod, which sees to it that mongod never outlives the server.

It is run as a script (`python -I -S guard.py SERVER_PID LOCK COMMAND...`) with the server's pipe as standard input and
mongod's log as standard output, and needs nothing but the standard library.

Why a process of its own. Linux can kill a child when its parent dies (PR_SET_PDEATHSIG), but "parent" is the *thread*
that started it: a mongod started from a short-lived thread would die with that thread, and running Python between fork
and exec in a threaded server can deadlock. The guard has one thread, so both objections vanish: mongod dies with the
guard, whatever kills the guard. And the guard ends mongod when the server is gone: its pipe closes, even after
`kill -9`. A process forked from the server may hold the pipe open; hence the look at the parent's pid every second.

The lock file is inherited by mongod and so held exactly as long as it lives: a new guard waits for the last mongod of
a killed server to end before it starts the next one on the same data.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import select
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

GRACE_SECONDS = 10
_TICK_SECONDS = 1.0
_LOG_BYTES = 64 * 1024 * 1024
_PR_SET_PDEATHSIG = 1
_OPEN_FILES = 64_000  # a collection and each of its indexes is a file; MongoDB recommends this many
_CANNOT_EXECUTE = 126
_SIGNALLED = 128


def main(server: int, lock: str, command: list[str]) -> int:
    """Run mongod until it ends, or until the server is gone; its exit status, or 128 plus the signal that ended it."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, _stay)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    _hand_on(descriptor)
    _raise_open_files()
    mongod, ended = _run(command)
    _watch(server, ended)
    _end(mongod, ended)
    code = os.waitstatus_to_exitcode(os.waitpid(mongod, 0)[1])
    return code if code >= 0 else _SIGNALLED - code


def _stay(_signal: int, _frame: FrameType | None) -> None:
    """Take a signal meant for the server's process group: a handler, unlike SIG_IGN, is not handed on to mongod."""


def _hand_on(descriptor: int) -> None:
    """Leave the descriptor open in the program this process becomes."""
    fcntl.fcntl(descriptor, fcntl.F_SETFD, 0)


def _raise_open_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _run(command: list[str]) -> tuple[int, int]:
    """Start mongod; its pid, and a descriptor that becomes readable when it has ended."""
    guard = os.getpid()
    ended, alive = os.pipe()
    mongod = os.fork()
    if mongod == 0:
        _hand_on(alive)
        _become(command, guard)
    os.close(alive)
    return mongod, ended


def _become(command: list[str], guard: int) -> None:
    """Turn this new process into mongod, which dies when the guard does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        if os.getppid() == guard:  # else the guard died before prctl, and no signal will come
            os.execv(command[0], command)  # noqa: S606 - no shell is the point
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    os._exit(_CANNOT_EXECUTE)


def _watch(server: int, ended: int) -> None:
    """Wait until mongod has ended, the server has closed its pipe, or the server is no more."""
    while not select.select([0, ended], [], [], _TICK_SECONDS)[0] and os.getppid() == server:
        if os.fstat(1).st_size > _LOG_BYTES:
            os.ftruncate(1, 0)


def _end(mongod: int, ended: int) -> None:
    """Ask mongod to shut down, then insist: what it has acknowledged is in the journal. No effect if it has ended."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(mongod, number)
        if select.select([ended], [], [], GRACE_SECONDS)[0]:
            return


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
