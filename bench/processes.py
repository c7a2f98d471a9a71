"""The processes under measure: the server as an operator starts it, and the constant answer of bench.constant."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from multiprocessing import get_context
from pathlib import Path

from bench.client import drive
from bench.measure import Measure, Sample

DATABASE = "bench"
_READY_SECONDS = 180
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Target:
    """A server under measure: its port, and the process whose CPU time counts."""

    port: int
    pid: int


@contextmanager
def run_server(
    uri: str,
    issuers: str = "",
    database: str = DATABASE,
    *,
    is_traced: bool = True,
    workers: int = 1,
    **changed: str,
) -> Iterator[Target]:
    """Runs `fhir-dmp serve` on a database of that MongoDB; it needs tokens where there are issuers.

    `changed` are further settings, without their prefix.
    """
    served = shutil.which("fhir-dmp", path=str(Path(sys.executable).parent)) or "fhir-dmp"
    program = [served] if is_traced else [sys.executable, "-m", "bench.untraced"]
    environment = {
        **os.environ,
        "FHIR_DMP_MONGODB_URI": uri,
        "FHIR_DMP_DATABASE": database,
        "FHIR_DMP_LOG_LEVEL": "warning",
        "FHIR_DMP_ISSUERS": issuers,
        **{f"FHIR_DMP_{name}": value for name, value in changed.items()},
    }
    port = free_port()
    options = ["--auth", "required" if issuers else "open", "--port", str(port), "--workers", str(workers)]
    command = [*program, "serve", *options]
    with _run(command, environment, port, "/health/ready") as target:
        yield target


@contextmanager
def run_constant() -> Iterator[Target]:
    """Runs the constant answer."""
    port = free_port()
    with _run([sys.executable, "-m", "bench.constant", str(port)], dict(os.environ), port, "/") as target:
        yield target


@contextmanager
def _run(command: list[str], environment: dict[str, str], port: int, path: str) -> Iterator[Target]:
    process = subprocess.Popen(command, env=environment)
    try:
        _wait_until_ready(process, port, path)
        yield Target(port, process.pid)
    finally:
        process.terminate()
        process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, path: str) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not _is_ready(port, path):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!r} does not answer")
        time.sleep(0.05)


def _is_ready(port: int, path: str) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def free_port() -> int:
    """Returns a port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def worker() -> ProcessPoolExecutor:
    """One process for what is measured or makes load, fresh and so without threads or sockets of this one."""
    return ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"))


def over_http(load: ProcessPoolExecutor, target: Target, requests: Sequence[bytes], connections: int) -> Measure:
    """Returns the measure of a server under these requests."""

    def measure(seconds: float) -> Sample:
        before = cpu_of(target.pid)
        sample = load.submit(drive, target.port, requests, connections, seconds).result()
        return Sample(sample.operations, sample.seconds, cpu_of(target.pid) - before, sample.errors)

    return measure


def cpu_of(pid: int) -> float:
    """Returns the CPU time of a process and of those that it has started and that still run, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return (int(fields[11]) + int(fields[12])) / _TICKS + sum(cpu_of(int(child)) for child in children)
