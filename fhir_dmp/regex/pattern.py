"""The syntax of regular expressions as a tree: text to Pattern.

Characters, sets, groups, alternatives, quantifiers and anchors are regular: automaton runs them. Assertions and
back-references are More: they are only weighed, by effort. Unicode categories and inline flags are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

MAX_PATTERN = 500
"""Characters of a pattern."""
_MAX_NESTING = 50


class NotRegular(ValueError):
    """This pattern is malformed, too large, or more than a regular expression."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """One character; `accepts` is a set of characters in Python's syntax."""

    accepts: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Anchor:
    """The start or the end of the text."""

    is_end: bool


@dataclass(frozen=True, slots=True)
class More:
    """What no automaton knows: an assertion about `part`, a word boundary or a back-reference (without part)."""

    part: Pattern | None = None


@dataclass(frozen=True, slots=True)
class Sequence:
    """Its parts one after another."""

    parts: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of its parts."""

    parts: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """Its part `least` to `most` times, without end where that is None."""

    part: Pattern
    least: int
    most: int | None


Pattern: TypeAlias = OneOf | Anchor | More | Sequence | Choice | Repeat

_TOKEN = re.compile(
    r"(?P<one>\\[dDwWsStnrf]|\\[^A-Za-z0-9]|\[\^?\]?(?:\\[dDwWsStnrf]|\\[^A-Za-z0-9]|[^\]\\])*\]|[^\\\[(){|*+?^$])"
    r"|(?P<anchor>[\^$])|(?P<more>\\[bB1-9]|\(\?P=\w+\))"
    r"|(?P<assert>\(\?<?[=!])|(?P<open>\(\?:|\(\?P<\w+>|\((?!\?))|(?P<close>\))|(?P<or>\|)"
    r"|(?P<repeat>(?:[*+?]|\{\d{1,4}(?:,\d{0,4})?\})\??)",
    re.DOTALL,
)
_TIMES = {"*": (0, None), "+": (1, None), "?": (0, 1)}


def check_length(text: str) -> None:
    """Raises NotRegular where a pattern is too long to be looked at."""
    if len(text) > MAX_PATTERN:
        raise NotRegular(f"it is longer than {MAX_PATTERN} characters")


def parse_pattern(text: str) -> Pattern:
    """Returns the tree of a pattern; raises NotRegular."""
    check_length(text)
    return _Reader(_tokenize(text)).read()


def _tokenize(text: str) -> list[tuple[str, str]]:
    tokens, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise NotRegular(f"'{text[position : position + 3]}' at character {position + 1} is not supported")
        tokens.append((str(match.lastgroup), match.group()))
        position = match.end()
    return tokens


class _Reader:
    """Reads tokens from left to right."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = [*tokens, ("end", "")]
        self._at = 0
        self._depth = 0

    def read(self) -> Pattern:
        found = self._choice()
        if self._kind() != "end":
            raise NotRegular("a parenthesis is closed that was not opened")
        return found

    def _kind(self) -> str:
        return self._tokens[self._at][0]

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1][1]

    def _choice(self) -> Pattern:
        parts = [self._sequence()]
        while self._kind() == "or":
            self._take()
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def _sequence(self) -> Pattern:
        parts = []
        while self._kind() not in {"or", "close", "end"}:
            parts.append(self._repeated())
        return Sequence(tuple(parts))

    def _repeated(self) -> Pattern:
        part = self._one()
        if self._kind() != "repeat":
            return part
        least, most = _parse_times(self._take())
        if self._kind() == "repeat":
            raise NotRegular("a quantifier follows a quantifier")
        return Repeat(part, least, most)

    def _one(self) -> Pattern:
        kind, text = self._kind(), self._take()
        if kind == "one":
            return OneOf(_compile_set(text))
        if kind == "anchor":
            return Anchor(is_end=text == "$")
        if kind == "more":
            return More()
        if kind not in {"open", "assert"}:
            raise NotRegular("a quantifier has nothing to repeat")
        return self._group() if kind == "open" else More(self._group())

    def _group(self) -> Pattern:
        self._depth += 1
        if self._depth > _MAX_NESTING:
            raise NotRegular(f"groups nest deeper than {_MAX_NESTING} levels")
        found = self._choice()
        if self._kind() != "close":
            raise NotRegular("a parenthesis is not closed")
        self._take()
        self._depth -= 1
        return found


def _compile_set(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text, re.DOTALL)
    except re.error as fault:
        raise NotRegular(f"{text}: {fault.msg}") from None


def _parse_times(text: str) -> tuple[int, int | None]:
    text = text if text == "?" else text.removesuffix("?")
    if text in _TIMES:
        return _TIMES[text]
    least, comma, most = text[1:-1].partition(",")
    bounds = int(least), (int(most) if most else None) if comma else int(least)
    if bounds[1] is not None and bounds[1] < bounds[0]:
        raise NotRegular(f"{text} ends before it starts")
    return bounds
