"""A real server process with its embedded MongoDB, to be killed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from fhir_dmp.store.mongo.embedded.mongod import MongodUnavailable, find_mongod

READY_SECONDS = 60


class ServerProcess:
    """`fhir-dmp serve` on a data folder and a port, which stay the same from one start to the next."""

    def __init__(self, folder: Path, *options: str, **settings: str) -> None:
        self.port = _free_port()
        self._folder, self._options, self._settings = folder, options, settings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when the server takes writes."""
        program = shutil.which("fhir-dmp", path=str(Path(sys.executable).parent))
        assert program, "fhir-dmp is not installed beside this Python"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FHIR_DMP_")}
        mongod = {name: os.environ[name] for name in ("FHIR_DMP_MONGOD",) if name in os.environ}
        command = [program, "serve", "--auth", "open", "--port", str(self.port), *self._options]
        with (self._folder / "server.log").open("ab") as log:
            environment = {**kept, **mongod, **self._settings, "FHIR_DMP_DATA_DIR": str(self._folder / "data")}
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Returns when the server takes writes."""
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            assert self._running().poll() is None, self._log()
            assert time.monotonic() < deadline, self._log()
            time.sleep(0.02)

    def kill(self) -> None:
        """Ends the server at once; its guard then shuts mongod down."""
        self._running().kill()
        self._running().wait()

    def kill_mongod(self) -> None:
        """Ends mongod at once; the server starts it again."""
        os.kill(self._find("mongod"), signal.SIGKILL)

    def kill_all(self) -> None:
        """Ends the server and mongod at once, as a loss of power would."""
        mongod = self._find("mongod")
        os.kill(mongod, signal.SIGKILL)
        self.kill()

    def end_code(self, seconds: float) -> int:
        """Waits until the server has ended by itself; its exit code."""
        return self._running().wait(seconds)

    @property
    def last_words(self) -> str:
        """The last line of its log."""
        return self._log().splitlines()[-1]

    def is_listening(self) -> bool:
        """Tells whether anything still takes connections on the port."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """Ends the server in order; raises where it does not end, and then kills it."""
        process = self._running()
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process
        return self._process

    def _is_ready(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _find(self, name: str) -> int:
        """The process of this name among the server's descendants, when there is one."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            found = [pid for pid in _descendants(self._running().pid) if _name_of(pid) == name]
            if found:
                return found[0]
            time.sleep(0.01)
        raise AssertionError(f"no {name} below the server\n{self._log()}")

    def _log(self) -> str:
        return (self._folder / "server.log").read_text(encoding="utf-8", errors="replace")[-4000:]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _descendants(root: int) -> list[int]:
    """Every process below one, from /proc."""
    below: list[int] = []
    for task in Path(f"/proc/{root}/task").glob("*/children"):
        try:
            children = [int(pid) for pid in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            below += [child, *_descendants(child)]
    return below


def _name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server that is running; whatever is left of it is ended after the test."""
    with _running(tmp_path) as process:
        yield process


@pytest.fixture
def hooked_server(tmp_path: Path) -> Iterator[ServerProcess]:
    """One that may send notifications to this machine."""
    with _running(tmp_path, FHIR_DMP_SUBSCRIPTION_HOSTS="127.0.0.1") as process:
        yield process


@pytest.fixture
def divided_server(tmp_path: Path) -> Iterator[ServerProcess]:
    """One whose requests are answered by two processes beside the one that was started."""
    with _running(tmp_path, "--workers", "2") as process:
        yield process


@pytest.fixture
def breaking_server(tmp_path: Path) -> Iterator[ServerProcess]:
    """One whose mongod is started by the script `mongod` of the folder."""
    try:
        mongod = find_mongod()
    except MongodUnavailable as fault:
        pytest.skip(f"no mongod to break: {fault}")
    script = tmp_path / "mongod"
    script.write_text(f'#!/bin/sh\nexec {mongod} "$@"\n')
    script.chmod(0o755)
    with _running(tmp_path, FHIR_DMP_MONGOD=str(script)) as process:
        yield process


@contextmanager
def _running(folder: Path, *options: str, **settings: str) -> Iterator[ServerProcess]:
    try:
        find_mongod()
    except MongodUnavailable as fault:
        pytest.skip(f"no mongod to kill: {fault}")
    process = ServerProcess(folder, *options, **settings)
    try:
        process.start()
        yield process
    finally:
        process.stop()
