"""A page's commands, run in a shell against a demo server, and the answers that it shows of them.

A page is Markdown. What a reader pastes is a block `sh`; the block `json` or `http` after it, where there is one, is
what he gets, with `…` for what is left out. The blocks of a page are one session: variables last. A block that starts
the server, or installs, is no part of it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.demo_server import Demo

ROOT = Path(__file__).parent.parent.parent
_BLOCK = re.compile(r"```sh\n(.*?)```(?:\n```(?:json|http)\n(.*?)```)?", re.DOTALL)
_PORT = "8080"
_END = "\x1e"
"""What the shell writes after each block: a character that no JSON text has."""
_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Block:
    """A command, and what its answer holds: fragments, in their order."""

    command: str
    shown: tuple[str, ...]


def read_blocks(text: str) -> list[Block]:
    """Returns the blocks of a page that are run: those that ask the server, or keep something of what it told."""
    found = [Block(command, tuple(shown.strip().split("…"))) for command, shown in _BLOCK.findall(text)]
    return [block for block in found if "curl " in block.command]


@dataclass(slots=True)
class Shell:
    """Runs whole pages, each once; `bin` is a folder of its own."""

    demo: Demo
    bin: Path
    _answers: dict[Path, list[str]] = field(default_factory=dict)

    def answers(self, page: Path) -> list[str]:
        """Returns what each block of a page printed."""
        if page not in self._answers:
            self._answers[page] = self._run([block.command for block in read_blocks(page.read_text(encoding="utf8"))])
        return self._answers[page]

    def _run(self, commands: list[str]) -> list[str]:
        curl = self.bin / "curl"
        curl.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {Path(__file__).parent / "curl.py"} "$@"\n')
        curl.chmod(0o755)
        told = [f"{name}={value}" for name, value in self.demo.variables.items()]
        script = "\n".join([*told, *(f"{self._here(command)}\nprintf '{_END}'" for command in commands)])
        environment = {**os.environ, **self.demo.settings, "PATH": f"{self.bin}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["sh", "-e", "-u", "-s"], input=script, env=environment, capture_output=True, text=True, check=False,
            timeout=_SECONDS,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr or done.stdout
        return done.stdout.split(_END)[:-1]

    def _here(self, text: str) -> str:
        here = text.replace(f":{_PORT}/", f":{self.demo.port}/")
        return here.replace(".venv/bin/", f"{Path(sys.executable).parent}/")

    def check(self, block: Block, answer: str) -> None:
        """Fails unless an answer has the fragments that the page shows."""
        place = 0
        for fragment in block.shown:
            wanted = self._here(fragment)
            found = answer.find(wanted, place)
            assert found >= 0, f"{wanted!r} is not in {answer[place : place + 2000]}"
            place = found + len(wanted)
