"""The data folder of an embedded MongoDB: which server holds it, and where its MongoDB can be reached meanwhile.

Its files: `server.lock`, held by the server that uses the folder, names its process and, once ready, the connection
string; `guard.lock` is held by the guard and by mongod itself (guard.py); `key` is what clients of mongod must know,
new at each start and there only while mongod starts; `port` is the last port, taken again if free; `mongod.log` is
bounded, the former server's is `mongod.log.1`; `data/` is mongod's.
"""

from __future__ import annotations

import fcntl
import os
import time
from typing import TYPE_CHECKING

from fhir_dmp.store.mongo.embedded.mongod import MongodError
from fhir_dmp.store.mongo.embedded.process import LOG

if TYPE_CHECKING:
    from pathlib import Path

_LOCK = "server.lock"
_LOCK_TRIES = 5
_LOCK_STEP_SECONDS = 0.05
_LOCK_BYTES = 1_000


class DataFolderInUseError(MongodError):
    """Another server works on this data folder."""


def running_uri(folder: Path) -> str | None:
    """The connection string of the MongoDB that a server of this user runs on this folder now; None if none does."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDONLY)
    except OSError:
        return None
    try:
        return None if _locked(lock, fcntl.LOCK_SH) else _holder(lock)[1]
    finally:
        os.close(lock)


class DataFolder:
    """A data folder that is this process's alone, from construction to `release`; it is created if absent.

    Raises DataFolderInUseError, or OSError where the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.data.mkdir(mode=0o700, exist_ok=True)
        self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        self._acquire()
        self._keep_former_log()

    @property
    def data(self) -> Path:
        """Where mongod keeps its files."""
        return self.path / "data"

    @property
    def last_port(self) -> int | None:
        """The port of the last start."""
        try:
            return int((self.path / "port").read_text())
        except (OSError, ValueError):
            return None

    def remember_port(self, port: int) -> None:
        """Keep the port for the next start."""
        (self.path / "port").write_text(str(port))

    def write_key(self, key: str) -> None:
        """Put the key where mongod reads it, which it does only as it starts."""
        path = self.path / "key"
        path.unlink(missing_ok=True)
        with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(key)

    def remove_key(self) -> None:
        """Remove the key once mongod has read it."""
        (self.path / "key").unlink(missing_ok=True)

    def publish(self, uri: str) -> None:
        """Let this user's other programs find the running MongoDB (`running_uri`); an empty string withdraws it."""
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n{uri}\n".encode(), 0)

    def release(self) -> None:
        """Leave the folder to others."""
        os.ftruncate(self._lock, 0)
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        os.close(self._lock)

    def _acquire(self) -> None:
        """Take the lock, which the system frees when its holder dies. `running_uri` may hold it for an instant."""
        for _ in range(_LOCK_TRIES):
            if _locked(self._lock, fcntl.LOCK_EX):
                self.publish("")
                return
            time.sleep(_LOCK_STEP_SECONDS)
        holder = _holder(self._lock)[0]
        os.close(self._lock)
        message = f"the data folder {self.path} is in use by another fhir-dmp server (process {holder})"
        raise DataFolderInUseError(message)

    def _keep_former_log(self) -> None:
        log = self.path / LOG
        if log.exists():
            log.replace(self.path / f"{LOG}.1")


def _locked(lock: int, kind: int) -> bool:
    """Take the lock if that is possible at once."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(lock: int) -> tuple[str, str | None]:
    """The process that holds the lock, and the connection string it has published."""
    process, _, rest = os.pread(lock, _LOCK_BYTES, 0).decode().partition("\n")
    return process or "unknown", rest.strip() or None
