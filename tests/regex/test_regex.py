"""Regular expressions of profiles: the same answers as Python's, and an end on every text."""

from __future__ import annotations

import re
from time import perf_counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fhir_dmp.regex.automaton import Automaton
from fhir_dmp.regex.effort import weigh
from fhir_dmp.regex.pattern import parse_pattern
from fhir_dmp.regex.regex import MAX_STEPS, Regex, RegexRefused, compile_regex

_CHARACTERS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", "1", r"\.", "^", "$", "(?:^a|b$)"])
_TIMES = st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{2,}", "*?"])
PATTERNS = st.recursive(
    _CHARACTERS,
    lambda inner: st.one_of(
        st.tuples(inner, _TIMES).map(lambda pair: f"({pair[0]}){pair[1]}"),
        st.lists(inner, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
    ),
    max_leaves=6,
)
CATASTROPHIC = ["(a+)+$", "(a|a)*b", "(a*)*b", "(.*,){20}x", "^(([a-z])+.)+[A-Z]([a-z])+$", "(a|aa)+$", "a*a*a*a*a*b"]
LONG = "a" * 50_000 + "!"


@example(pattern="$^", texts=["", "a"])
@given(pattern=PATTERNS, texts=st.lists(st.text("ab1.", max_size=7), max_size=20))
def test_automaton_answers_as_python_does(pattern: str, texts: list[str]) -> None:
    automaton = Automaton(parse_pattern(pattern))
    python = re.compile(pattern, re.DOTALL)
    assert [automaton.occurs_in(text) for text in texts] == [python.search(text) is not None for text in texts]
    assert [automaton.matches(text) for text in texts] == [python.fullmatch(text) is not None for text in texts]


@pytest.mark.parametrize("pattern", CATASTROPHIC)
def test_catastrophic_patterns_end(pattern: str) -> None:
    regex = Regex(pattern)
    assert regex.occurs_in(LONG) is False
    assert regex.matches(LONG) is False
    assert regex.occurs_in("a" * 30) is (re.search("[$]", pattern) is not None and "A-Z" not in pattern)
    with pytest.raises(RegexRefused, match="for ever"):
        regex.substitute(LONG, lambda _: "x")


@pytest.mark.parametrize("pattern", CATASTROPHIC)
def test_catastrophic_patterns_leave_more_than_one_way(pattern: str) -> None:
    assert not Automaton(parse_pattern(pattern)).is_one_way


@pytest.mark.parametrize("pattern", [r"(?=(a+)+$)x", r"(a+)+\1$", r"(?:\b|a)*x", r"(?<!b)(a|a)*c"])
def test_what_is_neither_regular_nor_bounded_is_refused(pattern: str) -> None:
    with pytest.raises(RegexRefused, match="for ever"):
        Regex(pattern).occurs_in("a" * 40)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"\bcat\b", "a cat sat", True),
        (r"^(?=.*\d)(?=.*[a-z]).{8,}$", "abcdefg1", True),
        (r"^(?=.*\d)(?=.*[a-z]).{8,}$", "abcdefgh", False),
        (r"(a|b)\1", "abb", True),
        (r"^(?P<year>\d{4})-(?P=year)$", "2020-2020", True),
        (r"^[A-Za-z]+(\.[a-z]+(\[x])?)*$", "Patient.deceased[x]", True),
        ("a$", "a\n", True),
        (r"^urn:oid:1\.2\.(8|10|11)$", "urn:oid:1.2.10", True),
    ],
)
def test_what_is_more_than_regular_runs_where_it_is_short(pattern: str, text: str, expected: bool) -> None:
    assert compile_regex(pattern).occurs_in(text) is expected


def test_more_than_regular_is_refused_on_a_text_where_it_is_long() -> None:
    pattern = r"(?=.*a.*b.*c)x"
    assert compile_regex(pattern).occurs_in("y" * 30) is False
    assert (effort := weigh(parse_pattern(pattern))) is not None
    assert effort.steps(1000) > MAX_STEPS
    with pytest.raises(RegexRefused, match="for ever"):
        compile_regex(pattern).occurs_in("y" * 1000)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [(r"\s+", "a  b" * 50_000, "a-b" * 50_000), ("[0-9]", "a1" * 100_000, "a-" * 100_000), (r"\..*", "a.b", "a-")],
)
def test_simple_patterns_are_substituted_in_long_texts(pattern: str, text: str, expected: str) -> None:
    assert compile_regex(pattern).substitute(text, lambda _: "-") == expected


@pytest.mark.parametrize(
    "pattern", [r"^\d{9}$", r"^(\d\d|2[AB])\d{7}$", "[A-Z]([A-Za-z0-9_]){0,254}", r"^[a-z]+(-[a-z]+)*$", "^(ab?)*c$"]
)
def test_patterns_of_profiles_leave_one_way(pattern: str) -> None:
    automaton = Automaton(parse_pattern(pattern))
    assert automaton.is_one_way == (pattern != r"^(\d\d|2[AB])\d{7}$")


@pytest.mark.parametrize("pattern", ["(", "a**", "[z-a]", r"\p{L}", "(?i)a", "a" * 501, r"\2", "(?<=a+)b"])
def test_malformed_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(RegexRefused, match="not acceptable"):
        Regex(pattern)


@pytest.mark.parametrize("part", ["[", "[a", "(?<a>", "\\", "[^]"])
def test_a_pattern_beyond_the_limit_is_refused_before_it_is_looked_at(part: str) -> None:
    began = perf_counter()
    with pytest.raises(RegexRefused, match="longer than"):
        compile_regex(part * 100_000)
    assert perf_counter() - began < 1
