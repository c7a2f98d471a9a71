"""Literals of invariants are found in time with the length of the text, whoever wrote it."""

from __future__ import annotations

from time import perf_counter

import pytest

from fhir_dmp.conformance.invariant import _LITERAL


@pytest.mark.parametrize("text", ["\\'" * 100_000, "'" * 100_001, "'a" * 100_001])
def test_quotes_without_an_end_take_no_time(text: str) -> None:
    began = perf_counter()
    _LITERAL.sub("''", text)
    assert perf_counter() - began < 2


@pytest.mark.parametrize(
    ("text", "found"),
    [("a = 'b' or c = 'd'", "a = '' or c = ''"), (r"a = 'it\'s' or b", "a = '' or b"), ("a = 'b", "a = ''")],
)
def test_a_literal_is_one_with_its_escapes(text: str, found: str) -> None:
    assert _LITERAL.sub("''", text) == found
