"""A real server on a real port, for commands that speak HTTP; and a state folder of each test's own."""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
import uvicorn
from pymongo import MongoClient

from fhir_dmp.app import create_app
from fhir_dmp.cli import run
from fhir_dmp.settings import Settings, read_settings
from fhir_dmp.sign_in import Mode
from tests.rest.server import OPEN

READY_SECONDS = 30
Run = Callable[..., tuple[int, list[str]]]
"""Runs a command: its exit code, and all its lines."""
Load = Callable[..., int]


class RunningServer:
    """The server on a loopback port and a database of its own; both stay the same from one start to the next."""

    def __init__(self, uri: str, **changed: str) -> None:
        self.database = f"test_{uuid.uuid4().hex}"
        self.port = _free_port()
        self.base_url = f"http://127.0.0.1:{self.port}/fhir"
        settings = {"MONGODB_URI": uri, "DATABASE": self.database, "BASE_URL": self.base_url, **changed}
        self._settings = read_settings({f"FHIR_DMP_{name}": value for name, value in settings.items()})
        self._mode = OPEN

    @classmethod
    def of(cls, settings: Settings, mode: Mode) -> Self:
        """A server with settings of a test's own, but for its address."""
        running = cls(settings.mongodb_uri)
        running._settings = replace(settings, base_url=running.base_url)
        running.database, running._mode = settings.database, mode
        return running

    def start(self) -> None:
        """Returns when the server answers."""
        app = create_app(self._settings, mode=self._mode)
        config = uvicorn.Config(app, port=self.port, log_level="error", access_log=False, ws="none")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        deadline = time.monotonic() + READY_SECONDS
        while not self._server.started:
            assert self._thread.is_alive(), "the server did not start"
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def stop(self) -> None:
        """Ends the server in order."""
        self._server.should_exit = True
        self._thread.join()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Starts the server, and stops it whatever happens."""
        self.start()
        try:
            yield
        finally:
            self.stop()

    def get(self, path: str) -> Any:
        """What the server answers to a read or search below its base."""
        return httpx.get(f"{self.base_url}/{path}", trust_env=False).raise_for_status().json()

    def total(self, query: str) -> int:
        """How many resources a search finds."""
        separator = "&" if "?" in query else "?"
        total: int = self.get(f"{query}{separator}_summary=count")["total"]
        return total


@pytest.fixture
def server(mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]) -> Iterator[RunningServer]:
    """A server on an empty database."""
    running = RunningServer(mongodb_uri)
    running.start()
    yield running
    running.stop()
    mongodb_client.drop_database(running.database)


@pytest.fixture
def settings(
    mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """The settings of a server on an empty database of this test's own, which commands read too."""
    name = f"test_{uuid.uuid4().hex}"
    given = {
        "FHIR_DMP_MONGODB_URI": mongodb_uri,
        "FHIR_DMP_DATABASE": name,
        "FHIR_DMP_DATA_DIR": str(tmp_path / "data"),
        "FHIR_DMP_BASE_URL": "http://127.0.0.1/fhir",
    }
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    yield read_settings(given)
    mongodb_client.drop_database(name)


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where journals are kept in this test."""
    folder = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; returns its exit code and its lines, an error's among them."""

    def run_command(*arguments: str) -> tuple[int, list[str]]:
        code = run([*arguments])
        captured = capsys.readouterr()
        return code, [*captured.out.splitlines(), *captured.err.splitlines()]

    return run_command


@pytest.fixture
def load(server: RunningServer) -> Load:
    """Runs `fhir-dmp load` into the server, and returns its exit code."""

    def run_load(*arguments: Path | str) -> int:
        return run(["load", *map(str, arguments), "--url", server.base_url])

    return run_load


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
