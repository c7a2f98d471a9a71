"""The processes of `serve --workers` are nothing without the one that started them, and end when it does."""

from __future__ import annotations

import time
from typing import Protocol

import pytest

pytestmark = pytest.mark.skipif("sys.platform != 'linux'", reason="processes are found in /proc")

END_SECONDS = 20.0


class ServerProcess(Protocol):
    """The part of conftest.ServerProcess that this test uses."""

    def start(self) -> None: ...
    def kill(self) -> None: ...
    def is_listening(self) -> bool: ...


def test_a_killed_server_leaves_no_workers_that_hold_its_port(divided_server: ServerProcess) -> None:
    divided_server.kill()
    deadline = time.monotonic() + END_SECONDS
    while divided_server.is_listening():
        assert time.monotonic() < deadline, "the workers of a server that was killed still listen"
        time.sleep(0.1)
    divided_server.start()
