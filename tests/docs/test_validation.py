"""The page on validation has the figures, reasons and disagreements that the tests prove."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "reference" / "validation.md").read_text(encoding="utf-8")


def _data(path: str) -> Any:
    return json.loads((ROOT / "tests" / path).read_text(encoding="utf-8"))


def _table(header: str) -> list[list[str]]:
    """The cells of the tables with this header."""
    lines = PAGE.partition(f"{header}\n")[2].splitlines()[1:]
    end = next((number for number, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[:end]]


def _figures(section: str) -> dict[str, int]:
    lines = PAGE.partition(section)[2].partition("| figure | number |\n| --- | --- |\n")[2].splitlines()
    rows = [line.strip("|").split("|") for line in lines[: lines.index("")]]
    return {name.strip(): int(number) for name, number in rows}


def test_disagreements_are_those_of_the_tests() -> None:
    data = _data("conformance/disagreements.json")
    expected = [[f"`{name}`", row["recorded"], row["reason"]] for name, row in data.items()]
    assert _table("| case | recorded | why ours differs |") == expected


def test_figures_of_the_mutants_are_those_of_the_tests() -> None:
    data = _data("conformance/mutation/figures.json")
    assert list(_figures("**Mutants.**").values()) == [
        data["profiles"], data["constraints"], data["unbroken"], data["mutants"], data["mutants"], data["alone"],
    ]  # fmt: skip


def test_reasons_are_those_of_the_tests() -> None:
    data = _data("conformance/mutation/unbroken.json")
    counted = Counter(
        {reason: sum(len(rows.get(reason, ())) for rows in data["constraints"].values()) for reason in data["reasons"]}
    )
    expected = [[str(counted[reason]), text] for reason, text in data["reasons"].items()]
    assert _table("| constraints | reason |") == expected
    assert sum(counted.values()) == _data("conformance/mutation/figures.json")["unbroken"]


def test_figures_of_the_restated_profiles_are_those_of_the_tests() -> None:
    data = _data("profiles/equivalence.json")
    figures = data["figures"]
    expected = [figures["mutants"], figures["resources"], figures["valid"], len(data["verdicts"])]
    assert list(_figures("**Restated profiles.**").values()) == expected


def test_left_out_fhirpath_tests_are_those_of_the_tests() -> None:
    data = _data("fhirpath/cases/left_out_of_the_official_suite.json")
    expected = [[f"`{row['test']}`", row["reason"]] for row in data]
    assert _table("| test | why it is left out |") == expected
