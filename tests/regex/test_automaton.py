"""Regular expressions: the same answers as Python's, without its running time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.regex.automaton import compile_regex
from fhir_dmp.regex.pattern import NotRegular

_CHARACTERS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\w", "1", r"\.", "[]a]", r"[\d-]"])
_TIMES = st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{0,3}", "{2,}", "*?", "{0}"])
PATTERNS = st.recursive(
    _CHARACTERS,
    lambda inner: st.one_of(
        st.tuples(inner, _TIMES).map(lambda pair: f"({pair[0]}){pair[1]}"),
        st.lists(inner, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
    ),
    max_leaves=6,
)


@given(pattern=PATTERNS, texts=st.lists(st.text("ab1.-]", max_size=7), max_size=20))
def test_answers_are_those_of_python(pattern: str, texts: list[str]) -> None:
    matches = compile_regex(pattern)
    assert [matches(text) for text in texts] == [re.fullmatch(pattern, text, re.DOTALL) is not None for text in texts]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("^a.c$", "abc", True),
        (r"a\$", "a$", True),
        (r"\d[\dAB]\d{3}", "2A004", True),
        (r"\d[\dAB]\d{3}", "2C004", False),
        ("", "", True),
        ("", "a", False),
        ("a|", "", True),
        ("é+", "éé", True),
    ],
)
def test_pattern_matches_the_whole_text(pattern: str, text: str, expected: bool) -> None:
    assert compile_regex(pattern)(text) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)a",
        "(?<!a)a",
        r"(a)\1",
        r"\bx",
        r"\p{L}",
        r"\u00e9",
        "a**",
        "(",
        ")",
        "a)",
        "*a",
        "a{3,2}",
        "[z-a]",
        "[a",
        "a{,2}",
        "a" * 501,
        "(" * 51 + ")" * 51,
        "(a{1000}){1000}",
        "((((a{9}){9}){9}){9}){9}",
    ],
)
def test_what_is_no_regular_expression_or_too_large_is_refused(pattern: str) -> None:
    with pytest.raises(NotRegular):
        compile_regex(pattern)


@pytest.mark.parametrize(
    "pattern", ["(a+)+", "(a|a)*", "(a*)*b", "(.{0,30}){0,30}c", "((((((){9999}){9999}){9999}){9999}))"]
)
def test_catastrophic_patterns_end(pattern: str) -> None:
    assert compile_regex(pattern)("a" * 10_000 + "!") is False
