"""Filters: every operator over complete, partial and absent code systems (cases/filters.json)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.terminology.definitions import build_terminology, read_cases

CASES = read_cases("filters")
ANSWERS = ("yes", "no", "unknown")


def _value_set(case: dict[str, Any]) -> dict[str, Any]:
    rows = [{"property": name, "op": operator, "value": value} for name, operator, value in case["filter"]]
    include = {"system": case["system"], "filter": rows}
    return {"resourceType": "ValueSet", "url": "urn:vs", "status": "active", "compose": {"include": [include]}}


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["name"])
def test_filter_selects(case: dict[str, Any]) -> None:
    terminology = build_terminology([*CASES["code_systems"], _value_set(case)])
    expected = {code: answer for answer in ANSWERS for code in case.get(answer, ())}
    found = {code: terminology.membership("urn:vs", case["system"], code) for code in expected}
    assert {code: answer.member.value for code, answer in found.items()} == expected


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["name"])
def test_what_a_filter_leaves_unknown_has_a_reason(case: dict[str, Any]) -> None:
    terminology = build_terminology([*CASES["code_systems"], _value_set(case)])
    for code in case.get("unknown", ()):
        answer = terminology.membership("urn:vs", case["system"], code)
        assert answer.cause in {"filter-not-evaluated", "code-system-absent", "code-system-partial"}
        assert case["system"] in answer.message


def test_every_operator_of_r4_has_a_case() -> None:
    used = {operator for case in CASES["cases"] for _, operator, _ in case["filter"]}
    r4 = {"=", "is-a", "descendent-of", "is-not-a", "regex", "in", "not-in", "generalizes", "exists"}
    assert used - r4 == {"child-of"}
    assert r4 <= used
