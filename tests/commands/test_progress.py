"""The bar is for terminals: nothing of it is in a file or a pipe."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from fhir_dmp.commands.progress import show_progress

NARRATIVE = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Anaïs Lefèvre</div>'}
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")


def _run_on_terminal(*arguments: str) -> tuple[int, str, str]:
    """Runs a command whose stderr is a terminal and whose stdout is a file; returns its exit code and both."""
    program = shutil.which("fhir-dmp", path=str(Path(sys.executable).parent))
    assert program, "fhir-dmp is not installed beside this Python"
    ours, theirs = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with (
        tempfile.TemporaryFile() as out,
        subprocess.Popen([program, *arguments], stdout=out, stderr=theirs, env=environment) as process,
    ):
        os.close(theirs)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
        code = process.wait()
        out.seek(0)
        written = out.read()
    os.close(ours)
    return code, written.decode(), shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def test_a_terminal_sees_resources_rate_and_time_left(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text((json.dumps({"resourceType": "Patient", "text": NARRATIVE}) + "\n") * 3000)
    code, out, shown = _run_on_terminal("validate", str(tmp_path))
    assert (code, out) == (0, "1 file, no errors\n")
    assert "validating" in shown
    assert "3,000 resources" in shown
    assert re.search(r"[\d,]+/s", shown)
    assert "0:00:00" in shown


def test_a_pipe_sees_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress("loading", 10) as meter:
        meter.read(10)
        meter.count(1)
    assert capsys.readouterr() == ("", "")
