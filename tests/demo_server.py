"""A server as `make serve` starts it, in a process of its own, for tests that ask it over real HTTP."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

START_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Demo:
    """A server with the demo records: its port, the shell variables that it told to paste, and its data folder."""

    port: str
    variables: dict[str, str]
    folder: Path

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/fhir"

    @property
    def settings(self) -> dict[str, str]:
        """The settings with which a command is about this server."""
        return {"FHIR_DMP_DATA_DIR": str(self.folder), "FHIR_DMP_BASE_URL": self.base_url}


@contextmanager
def run_demo(folder: Path) -> Iterator[Demo]:
    """Yields the server once it has said what to try; its data is in the folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    log = folder / "serve.log"
    environment = {**os.environ, "FHIR_DMP_DATA_DIR": str(folder), "PYTHONUNBUFFERED": "1"}
    command = [str(Path(sys.executable).parent / "fhir-dmp"), "serve", "--demo", "--port", port]
    with log.open("wb") as file, subprocess.Popen(command, env=environment, stdout=file, stderr=file) as server:
        try:
            yield Demo(port, _wait_for_variables(log, server), folder)
        finally:
            server.terminate()


def _wait_for_variables(log: Path, server: subprocess.Popen[bytes]) -> dict[str, str]:
    """The lines to paste end with one that reads /metadata."""
    until = time.monotonic() + START_SECONDS
    while "/metadata" not in (told := log.read_text(encoding="utf8")):
        if time.monotonic() > until or server.poll() is not None:
            pytest.fail(f"the server did not start: {told}")
        time.sleep(0.1)
    return dict(re.findall(r"^  ([A-Z]+)=(\S+)$", told, re.MULTILINE))
