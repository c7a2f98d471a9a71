"""The statements of the REST specification, one by one: tests/cases/rest/checklist.json.

`line` is the number of the statement in the list that the cases were made from; a case is data, and needs no code.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.rest.server import Server
from tests.rest.steps import Run, read_table

TABLE = read_table("checklist")


def _ids(cases: list[Any]) -> list[str]:
    return [f"{case['line']}-{case['name'].replace(' ', '-')}" for case in cases]


SHARED = [case for case in TABLE.cases if not case.get("fresh")]
FRESH = [case for case in TABLE.cases if case.get("fresh")]


@pytest.mark.parametrize("case", SHARED, ids=_ids(SHARED))
async def test_statement_holds(case: Any, server: Server) -> None:
    await Run(server, TABLE.templates).run(case)


@pytest.mark.parametrize("case", FRESH, ids=_ids(FRESH))
async def test_statement_holds_on_an_empty_server(case: Any, fresh_server: Server) -> None:
    await Run(fresh_server, TABLE.templates).run(case)
