"""FHIRPath Patch over HTTP, statement by statement: tests/cases/rest/fhirpath_patch.json.

`line` is the number of the statement in the list that the cases of test_checklist.py were made from, too.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.rest.server import Server
from tests.rest.steps import Run, read_table

TABLE = read_table("fhirpath_patch")


@pytest.mark.parametrize("case", TABLE.cases, ids=[f"{row['line']}-{row['name']}" for row in TABLE.cases])
async def test_statement_holds(case: Any, server: Server) -> None:
    await Run(server, TABLE.templates).run(case)


def test_both_statements_on_patch_have_cases() -> None:
    assert {case["line"] for case in TABLE.cases} == {161, 162}
