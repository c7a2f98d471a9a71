"""docs/reference/generated-records.md names the source of every figure, as the tables themselves do."""

from __future__ import annotations

import re
from pathlib import Path

import orjson

from fhir_dmp.commands.generate import DATA

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "generated-records.md"


def test_the_page_names_the_source_of_each_table() -> None:
    named = re.findall(r"^\| `(\w+\.\w+)` \| (.+) \| (\d{4}) \|$", PAGE.read_text(encoding="utf8"), re.MULTILINE)
    tables = {
        (f"{file.stem}.{name}", table["source"], str(table["year"]))
        for file in DATA.glob("*.json")
        for name, table in orjson.loads(file.read_bytes()).items()
    }
    assert set(named) == tables
    assert all(source for _, source, _ in tables)
