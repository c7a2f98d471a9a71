"""The modifiers of token and uri parameters, statement by statement: tests/cases/rest/modifiers.json.

`line` is the number of the statement in the list that the cases of test_checklist.py were made from, too.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.rest.server import Server
from tests.rest.steps import Run, read_table

TABLE = read_table("modifiers")
REQUIRED = {14, 22, 72, 74, 82, 84, 85, 86, 87, 88, 104}


@pytest.mark.parametrize(
    "case", TABLE.cases, ids=[f"{case['line']}-{case['name'].replace(' ', '-')}" for case in TABLE.cases]
)
async def test_statement_holds(case: Any, server: Server) -> None:
    await Run(server, TABLE.templates).run(case)


def test_every_statement_on_these_modifiers_has_a_case() -> None:
    assert {case["line"] for case in TABLE.cases} >= REQUIRED
