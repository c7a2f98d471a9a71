"""Expressions are found where they stand in the text, and a fault where the text stops being JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.json_position import Position, find_fault, locate, to_position

CASES = json.loads((Path(__file__).parent / "commands" / "cases" / "positions.json").read_text(encoding="utf8"))
ROWS = [
    pytest.param("\n".join(case["text"]), expression, position, id=f"{case['title'][:40]}… {expression}")
    for case in CASES
    for expression, position in case["positions"].items()
]


@pytest.mark.parametrize(("text", "expression", "position"), ROWS)
def test_expression_is_found(text: str, expression: str, position: str) -> None:
    found = locate(text, [expression])[expression]
    assert f"{found.line}:{found.column}" == position


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["title"])
def test_expressions_do_not_disturb_one_another(case: dict[str, Any]) -> None:
    found = locate("\n".join(case["text"]), case["positions"])
    assert {expression: f"{place.line}:{place.column}" for expression, place in found.items()} == case["positions"]


# keys that are neither companions nor the choice of another
_KEYS = st.sampled_from(["id", "name", "code", "text", "item", "part"])
_SCALARS = st.none() | st.booleans() | st.integers() | st.text()
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4), max_leaves=25
)


def _paths(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"{path}.{key}", item
            yield from _paths(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield f"{path}[{index}]", item
            yield from _paths(item, f"{path}[{index}]")


@given(st.dictionaries(_KEYS, _VALUES), st.sampled_from([None, 0, 1, "\t"]), st.booleans())
def test_every_element_of_any_json_is_found(value: Any, indent: int | str | None, is_ascii: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=is_ascii)
    wanted = {f"Resource{path}": item for path, item in _paths(value)}
    lines = text.split("\n")
    for expression, (line, column) in locate(text, wanted).items():
        rest = "\n".join([lines[line - 1][column - 1 :], *lines[line:]])
        found, end = json.JSONDecoder().raw_decode(rest)
        if not expression.endswith("]"):
            assert found == expression.rpartition(".")[2]
            found, _ = json.JSONDecoder().raw_decode(rest[end:].lstrip(" :"))
        assert found == wanted[expression]


@pytest.mark.parametrize(
    ("data", "line", "column", "reason"),
    [
        (b'{\n "a": 1,\n}', 3, 1, "Expecting property name enclosed in double quotes"),
        (b'{"a": [1,\n 2', 2, 3, "Expecting ',' delimiter"),
        (b"", 1, 1, "Expecting value"),
        (b'{"a": 1} x', 1, 10, "Extra data"),
        (b'{"a":\n "\xe9"}', 2, 3, "the text is not UTF-8"),
        (b'{"a": "\xc3\xa9\xc3\xa9\xff"}', 1, 10, "the text is not UTF-8"),
        (b'\xef\xbb\xbf{"a": 1}', 1, 1, "the text starts with a byte order mark; FHIR JSON is UTF-8 without one"),
        (b'{"a": 1, "b": {"c": [{"d": 1,\n "d": 2}]}, "a": 3}', 2, 2, "the property 'd' appears twice in one object"),
        (b'{"a": {"b": 1}, "a": 2}', 1, 17, "the property 'a' appears twice in one object"),
    ],
)
def test_fault_is_found(data: bytes, line: int, column: int, reason: str) -> None:
    assert find_fault(data) == (Position(line, column), reason)


@pytest.mark.parametrize("data", [b"{}", b"[]", b'{"a": {"b": 1}, "c": {"b": 1}}', b'["a", "a"]', b"1", b"[" * 100_000])
def test_no_fault_where_keys_differ(data: bytes) -> None:
    assert find_fault(data) is None


@given(st.binary())
def test_no_text_makes_the_search_for_a_fault_fail(data: bytes) -> None:
    found = find_fault(data)
    assert found is None or found[0] >= (1, 1)


@given(st.text(alphabet="ab\n"), st.integers(0, 30))
def test_position_counts_the_lines_and_characters_before(text: str, offset: int) -> None:
    before = text[:offset].split("\n")
    assert to_position(text, offset) == (len(before), len(before[-1]) + 1)
