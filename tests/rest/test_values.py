"""Search values, statement by statement: tests/cases/rest/values.json.

`line` is the number of the statement in the list that the cases of test_checklist.py were made from, too.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.rest.server import Server
from tests.rest.steps import Run, read_table

TABLE = read_table("values")
ELSEWHERE = {16, 19, 20, 21, 22, 35, 39, 41, 72, 73, 74, 82, 84, 85, 86, 87, 88, 103, 104}
"""In checklist.json and modifiers.json, in what joins resources, or (types that are not exposed) in tests/search."""
REQUIRED = {*range(15, 104), *range(113, 119)} - ELSEWHERE


@pytest.mark.parametrize(
    "case", TABLE.cases, ids=[f"{case['line']}-{case['name'].replace(' ', '-')}" for case in TABLE.cases]
)
async def test_statement_holds(case: Any, server: Server) -> None:
    await Run(server, TABLE.templates).run(case)


def test_every_statement_on_values_has_a_case() -> None:
    assert {case["line"] for case in TABLE.cases} >= REQUIRED
