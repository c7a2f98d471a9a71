"""Regular expressions from outside, each run in the way that is safe for it.

Python's own engine runs what cannot make it backtrack, and what takes few steps however it does; an automaton, slower
and linear, runs the rest. What neither can is refused. https://swtch.com/~rsc/regexp/regexp1.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from fhir_dmp.regex.automaton import Automaton
from fhir_dmp.regex.effort import longest, weigh
from fhir_dmp.regex.pattern import NotRegular, check_length, parse_pattern

MAX_STEPS = 10_000_000
"""Steps of backtracking that a single match may take: some tenths of a second."""


_NAMED = re.compile(r"\\[^k]|\[\^?\]?(?:\\.|[^\]\\])*\]|(?P<open>\(\?)(?=<\w+>)|\\k<(?P<back>\w+)>", re.DOTALL)
"""Groups with names as PCRE has them, beside the escapes and sets in which nothing is a group."""


class RegexRefused(ValueError):
    """This pattern is malformed, or no bound on its running time is known for such a text."""


class Regex:
    """A compiled pattern; `.` is any character, line feeds among them. Raises RegexRefused when made, or used."""

    def __init__(self, text: str) -> None:
        """Compiles a pattern and finds out what can run it."""
        try:
            # to look for sets in a long text takes time with its square; none gets shorter by it
            check_length(text)
            text = _NAMED.sub(_as_python, text)
            pattern = parse_pattern(text)
            self._backtracking = re.compile(text, re.DOTALL)
        except (NotRegular, re.error, RecursionError, OverflowError) as fault:
            raise RegexRefused(f"the regular expression is not acceptable: {fault}") from None
        self._effort = weigh(pattern)
        self._longest = longest(pattern)
        try:
            self._automaton: Automaton | None = Automaton(pattern)
        except NotRegular:
            self._automaton = None
        self._is_one_way = self._automaton is not None and self._automaton.is_one_way
        self._is_fixed = text.startswith("^") and "|" not in text

    def matches(self, text: str) -> bool:
        """Tells whether the whole text matches."""
        if self._is_one_way or self._takes_few_steps(text):
            return self._backtracking.fullmatch(text) is not None
        return self._require_automaton().matches(text)

    def occurs_in(self, text: str) -> bool:
        """Tells whether some part of the text matches."""
        if self._takes_few_steps(text):
            return self._backtracking.search(text) is not None
        return self._require_automaton().occurs_in(text)

    def substitute(self, text: str, fill: Callable[[re.Match[str]], str]) -> str:
        """Returns the text with every match replaced by what `fill` makes of it."""
        if not self._takes_few_steps(text):
            raise _too_costly()
        return self._backtracking.sub(fill, text)

    def _takes_few_steps(self, text: str) -> bool:
        """Tells whether a search by backtracking is short, from whatever character it starts."""
        length = len(text) + 1
        automaton = self._automaton
        if self._is_one_way and automaton is not None:
            if self._is_fixed or automaton.stops_anywhere:
                return True
            if length * min(length, length if self._longest is None else self._longest) <= MAX_STEPS:
                return True
        return self._effort is not None and self._effort.steps(len(text)) <= MAX_STEPS

    def _require_automaton(self) -> Automaton:
        if self._automaton is None:
            raise _too_costly()
        return self._automaton


@lru_cache(maxsize=1024)
def compile_regex(text: str) -> Regex:
    """Returns the Regex of a pattern; the last thousand are kept. Raises RegexRefused."""
    return Regex(text)


def _as_python(match: re.Match[str]) -> str:
    """Returns the start of a named group, or a reference to one, as Python writes it."""
    if match["open"]:
        return "(?P"
    return f"(?P={match['back']})" if match["back"] else match[0]


def _too_costly() -> RegexRefused:
    return RegexRefused("the regular expression is refused: on such a text it could run for ever")
