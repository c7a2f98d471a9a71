"""docs/reference/clients.md is true: each test it names exists, and each test of a client is named."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
CLIENTS = ROOT / "tests" / "clients"


def test_table_names_the_tests_of_clients() -> None:
    text = (ROOT / "docs" / "reference" / "clients.md").read_text(encoding="utf8")
    named = set(re.findall(r"`((?:node/)?[a-z_]+(?:\.test)?\.(?:py|mjs))`", text))
    there = {path.relative_to(CLIENTS).as_posix() for path in [*CLIENTS.glob("test_*.py"), *CLIENTS.glob("node/*.mjs")]}
    assert named == there - {"test_node_clients.py"}
