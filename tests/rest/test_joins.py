"""Searches that go from one resource to another: tests/cases/rest/joins.json, by the statements of the checklist."""

from __future__ import annotations

from typing import Any

import pytest

from tests.rest.server import Server
from tests.rest.steps import Run, read_table

TABLE = read_table("joins")
REQUIRED = frozenset({3, 4, 5, 35, 103, 105, 106, 107, 109, 110, 111, 112, 123, 125, *range(127, 134), 135})


@pytest.mark.parametrize("case", TABLE.cases, ids=[f"{case['line']}-{case['name']}" for case in TABLE.cases])
async def test_statement_holds(case: Any, server: Server) -> None:
    await Run(server, TABLE.templates).run(case)


def test_every_statement_has_a_case() -> None:
    assert {case["line"] for case in TABLE.cases} >= REQUIRED
