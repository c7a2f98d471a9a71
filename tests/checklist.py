"""The 197 statements of FHIR's REST and search: which have tests, and how those ended.

A case of a table says in `line` which statement it is about; tests/cases/checklist/tests.json names the tests that are
about others, by node id.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

Json = Any

ROOT = Path(__file__).parent
FOLDER = ROOT / "cases" / "checklist"
LINES = range(1, 198)
_TABLES = ("tests/rest/", "tests/search/", "tests/interactions/")
_LINE = re.compile(r"\[(\d{1,3})-")


def read_named() -> dict[int, list[str]]:
    """The node ids of the tests that are about a line, without parameters."""
    rows = json.loads((FOLDER / "tests.json").read_text(encoding="utf8"))
    return {int(line): nodes for line, nodes in rows.items()}


def covered() -> set[int]:
    """The lines that a case of a table, or a named test, is about."""
    tables = [*ROOT.glob("cases/**/*.json"), *ROOT.glob("*/cases/**/*.json")]
    rows = (json.loads(table.read_text(encoding="utf8")) for table in tables)
    return {line for row in rows for line in _lines(row)} | read_named().keys()


def _lines(value: Json) -> Iterator[int]:
    if isinstance(value, dict) and isinstance(value.get("line"), int):
        yield value["line"]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        yield from _lines(child)


def outcomes(reports: Iterable[pytest.TestReport]) -> Mapping[int, bool]:
    """Of the lines that tests of this run are about, whether all of them passed."""
    named = {node: line for line, nodes in read_named().items() for node in nodes}
    told: dict[int, bool] = {}
    for report in reports:
        for line in {_line_of(report.nodeid), named.get(report.nodeid.partition("[")[0])} - {None}:
            told[line or 0] = told.get(line or 0, True) and report.passed
    return told


def _line_of(node: str) -> int | None:
    found = _LINE.search(node) if node.startswith(_TABLES) else None
    return int(found[1]) if found else None


def summarise(reports: Iterable[pytest.TestReport]) -> str:
    """One line to print after a run; empty where it had no test of the list."""
    told, known = outcomes(reports), covered()
    if not told:
        return ""
    failed = sorted(line for line, passed in told.items() if not passed)
    missing = [line for line in LINES if line not in known]
    return (
        f"FHIR REST and search: {len(known & set(LINES))} of {len(LINES)} statements have cases"
        + (f", none: {missing}" if missing else "")
        + f"; told apart by line in this run: {len(told)}, "
        + (f"FAILED: {failed}" if failed else "all passed")
    )
