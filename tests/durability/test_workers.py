"""The processes of `serve --workers` are nothing without the one that started them, and end when it does."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

import pytest

pytestmark = pytest.mark.skipif("sys.platform != 'linux'", reason="processes are found in /proc")

END_SECONDS = 20.0


class ServerProcess(Protocol):
    """The part of conftest.ServerProcess that this test uses."""

    def start(self) -> None: ...
    def kill(self) -> None: ...
    def kill_mongod(self) -> None: ...
    def is_listening(self) -> bool: ...
    def end_code(self, seconds: float) -> int: ...
    @property
    def last_words(self) -> str: ...


def test_a_killed_server_leaves_no_workers_that_hold_its_port(divided_server: ServerProcess) -> None:
    divided_server.kill()
    deadline = time.monotonic() + END_SECONDS
    while divided_server.is_listening():
        assert time.monotonic() < deadline, "the workers of a server that was killed still listen"
        time.sleep(0.1)
    divided_server.start()


def test_a_server_whose_mongod_does_not_start_again_says_why_and_fails(
    breaking_server: ServerProcess, tmp_path: Path
) -> None:
    (tmp_path / "mongod").write_text("#!/bin/sh\necho the disk is broken\nexit 9\n")
    breaking_server.kill_mongod()
    assert breaking_server.end_code(3 * END_SECONDS) == 3
    assert breaking_server.last_words.startswith("fhir-dmp: mongod is not started again after 5 attempts: ")
    assert "the disk is broken" in breaking_server.last_words
