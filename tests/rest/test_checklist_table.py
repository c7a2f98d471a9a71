"""The list of statements is complete: each line has a case, and what it points at exists."""

from __future__ import annotations

import re

from fhir_dmp.search.page import PLACES
from tests.checklist import LINES, ROOT, covered, read_named


def test_each_statement_has_a_case() -> None:
    assert [line for line in LINES if line not in covered()] == []


def test_the_named_tests_exist() -> None:
    nodes = sorted({node for named in read_named().values() for node in named})
    assert [node for node in nodes if not _exists(node)] == []


def _exists(node: str) -> bool:
    file, _, name = node.partition("::")
    source = ROOT.parent / file
    written = source.read_text(encoding="utf8") if source.is_file() else ""
    return re.search(rf"^(async )?def {name}\(", written, re.MULTILINE) is not None


def test_names_of_this_servers_own_begin_with_a_hyphen() -> None:
    assert all(name.startswith("-") for name in PLACES)
