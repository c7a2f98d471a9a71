"""The README is true: its commands, run on a server with the demo records, give the answers it shows."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf8")
BLOCKS = re.findall(r"```sh\n(curl .*?)```\n```json\n(.*?)```", TEXT, re.DOTALL)
PORT = "8080"
START_SECONDS = 60


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The port of a server as `make serve` starts it, with its demo records loaded."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = str(free.getsockname()[1])
    environment = {**os.environ, "FHIR_DMP_DATA_DIR": str(tmp_path_factory.mktemp("data"))}
    command = [str(Path(sys.executable).parent / "fhir-dmp"), "serve", "--demo", "--port", number]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            _wait_for_demo(f"http://127.0.0.1:{number}/fhir", server)
            yield number
        finally:
            server.terminate()


def _wait_for_demo(base: str, server: subprocess.Popen[str]) -> None:
    """The demo's last record is that of Haute-Garonne: when it is here, all are."""
    last = "Patient?address-postalcode=31&_summary=count"
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            answer = httpx.get(f"{base}/{last}", timeout=5)
        except httpx.TransportError:
            answer = None
        if answer and answer.status_code == 200 and answer.json()["total"]:
            return
        time.sleep(0.2)
    pytest.fail(f"the server did not start: {server.stderr.read() if server.stderr and server.poll() else 'no demo'}")


def _run_curl(line: str, port: str) -> str:
    """Does what a curl line with -s, -H and -d does."""
    words = shlex.split(line.replace(f":{PORT}/", f":{port}/").replace(f":{PORT} ", f":{port} "))[1:]
    headers: dict[str, str] = {}
    url, data = "", None
    while words:
        match words.pop(0):
            case "-s":
                pass
            case "-H":
                name, _, value = words.pop(0).partition(":")
                headers[name] = value.strip()
            case "-d":
                data = words.pop(0).encode()
            case word:
                url = word
    return httpx.request("POST" if data else "GET", url, headers=headers, content=data).text


@pytest.mark.parametrize(("command", "shown"), BLOCKS, ids=[block[0][:60] for block in BLOCKS])
def test_command_gives_the_answer_that_the_readme_shows(command: str, shown: str, port: str) -> None:
    answer = _run_curl(command, port)
    place = 0
    for fragment in shown.strip().replace(f":{PORT}/", f":{port}/").split("…"):
        found = answer.find(fragment, place)
        assert found >= 0, f"{fragment!r} is not in {answer[place : place + 2000]}"
        place = found + len(fragment)


def test_every_curl_line_is_followed_by_its_answer() -> None:
    assert len(BLOCKS) == TEXT.count("\ncurl ")


def test_newcomer_sees_a_bundle_within_25_lines() -> None:
    lines = TEXT.splitlines()
    assert next(number for number, line in enumerate(lines, 1) if '"resourceType":"Bundle"' in line) <= 25
    assert next(number for number, line in enumerate(lines, 1) if line.startswith("make serve")) <= 25


def test_make_has_the_targets_that_are_promised() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf8"), re.MULTILINE))
    assert {"install", "serve", "test", "check", "bench"} <= targets
