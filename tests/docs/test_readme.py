"""The README is true: its commands, run on a server with the demo records, give the answers it shows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.demo_server import Demo, run_demo

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf8")
BLOCKS = re.findall(r"```sh\n(curl .*?)```\n```json\n(.*?)```", TEXT, re.DOTALL)
PORT = "8080"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The server once it has said what to try."""
    with run_demo(tmp_path_factory.mktemp("data")) as running:
        yield running


def _run_curl(line: str, demo: Demo) -> str:
    """Does what a curl line with -s, -X, -H and -d does, in a shell that has the variables."""
    line = re.sub(r"'[^']*'|\$[A-Z]+", lambda found: _expand(found[0], demo.variables), line)
    words = shlex.split(line.replace(f":{PORT}/", f":{demo.port}/").replace(f":{PORT} ", f":{demo.port} "))[1:]
    headers: dict[str, str] = {}
    url, method, data = "", "", None
    while words:
        match words.pop(0):
            case "-s":
                pass
            case "-X":
                method = words.pop(0)
            case "-H":
                name, _, value = words.pop(0).partition(":")
                headers[name] = value.strip()
            case "-d":
                data = words.pop(0).encode()
            case word:
                url = word
    return httpx.request(method or ("POST" if data else "GET"), url, headers=headers, content=data).text


def _expand(text: str, variables: dict[str, str]) -> str:
    """The value of a variable; what is between single quotes stays as it is."""
    return text if text.startswith("'") else variables[text.removeprefix("$")]


@pytest.mark.parametrize(("command", "shown"), BLOCKS, ids=[block[0][:60] for block in BLOCKS])
def test_command_gives_the_answer_that_the_readme_shows(command: str, shown: str, demo: Demo) -> None:
    answer = _run_curl(command, demo)
    place = 0
    for fragment in shown.strip().replace(f":{PORT}/", f":{demo.port}/").split("…"):
        found = answer.find(fragment, place)
        assert found >= 0, f"{fragment!r} is not in {answer[place : place + 2000]}"
        place = found + len(fragment)


def test_the_story_of_who_reads_has_eight_commands() -> None:
    story = TEXT.partition("## The patient decides who reads")[2].partition("\n## ")[0]
    assert story.count("\ncurl ") == 8


def test_every_curl_line_is_followed_by_its_answer() -> None:
    assert len(BLOCKS) == TEXT.count("\ncurl ")


def test_newcomer_sees_a_bundle_within_25_lines() -> None:
    lines = TEXT.splitlines()
    assert next(number for number, line in enumerate(lines, 1) if '"resourceType":"Bundle"' in line) <= 25
    assert next(number for number, line in enumerate(lines, 1) if line.startswith("make serve")) <= 25


def test_make_has_the_targets_that_are_promised() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf8"), re.MULTILINE))
    assert {"install", "serve", "test", "check", "bench"} <= targets
