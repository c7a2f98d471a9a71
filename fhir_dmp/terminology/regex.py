"""Regular expressions in linear time, for patterns that come from outside (the `regex` filter of value sets).

A pattern becomes Glushkov's automaton: one position for each character it names and no backtracking, so a text of n
characters takes n steps whatever the pattern. https://hl7.org/fhir/R4/valueset-filter-operator.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fhir_dmp.terminology.pattern import Choice, NotRegular, OneOf, Pattern, Repeat, Sequence, parse_pattern

MAX_POSITIONS = 1000
"""Characters that a pattern may name once `{m,n}` is written out."""
_MAX_KEPT = 10_000


def compile_regex(text: str) -> Callable[[str], bool]:
    """Returns the test whether a pattern matches the whole of a text; raises NotRegular."""
    return _Automaton(parse_pattern(text)).matches


@dataclass(frozen=True, slots=True)
class _Span:
    """A part of a pattern: whether it may be empty, and the positions (as bits) it may start and end with."""

    empty: bool
    first: int
    last: int


class _Automaton:
    """Positions are bits: `_follow[i]` are those that may come after position i."""

    def __init__(self, pattern: Pattern) -> None:
        self._accepts: list[OneOf] = []
        self._follow: list[int] = []
        self._accepting: dict[str, int] = {}
        self._steps: dict[tuple[int, str], int] = {}
        self._whole = self._build(pattern)

    def matches(self, text: str) -> bool:
        """Tells whether the whole text matches."""
        if not text:
            return self._whole.empty
        current = self._whole.first & self._accepted_by(text[0])
        for character in text[1:]:
            if not current:
                return False
            current = self._step(current, character)
        return bool(current & self._whole.last)

    def _step(self, current: int, character: str) -> int:
        known = self._steps.get((current, character))
        if known is None:
            reachable = 0
            for position in _bits(current):
                reachable |= self._follow[position]
            known = reachable & self._accepted_by(character)
            if len(self._steps) < _MAX_KEPT:
                self._steps[current, character] = known
        return known

    def _accepted_by(self, character: str) -> int:
        known = self._accepting.get(character)
        if known is None:
            matching = (place for place, one in enumerate(self._accepts) if one.accepts.fullmatch(character))
            known = sum(1 << place for place in matching)
            if len(self._accepting) < _MAX_KEPT:
                self._accepting[character] = known
        return known

    def _build(self, pattern: Pattern) -> _Span:
        match pattern:
            case OneOf():
                return self._position(pattern)
            case Sequence(parts):
                return self._join([self._build(part) for part in parts])
            case Choice(parts):
                return _choose([self._build(part) for part in parts])
            case Repeat(part, least, most):
                return self._repeat(part, least, most)

    def _position(self, one: OneOf) -> _Span:
        if len(self._accepts) >= MAX_POSITIONS:
            raise NotRegular(f"it names more than {MAX_POSITIONS} characters")
        self._accepts.append(one)
        self._follow.append(0)
        bit = 1 << (len(self._accepts) - 1)
        return _Span(empty=False, first=bit, last=bit)

    def _join(self, spans: list[_Span]) -> _Span:
        empty, first, last = True, 0, 0
        for span in spans:
            self._let_follow(last, span.first)
            first |= span.first if empty else 0
            last = span.last | (last if span.empty else 0)
            empty = empty and span.empty
        return _Span(empty, first, last)

    def _let_follow(self, before: int, after: int) -> None:
        for position in _bits(before):
            self._follow[position] |= after

    def _repeat(self, part: Pattern, least: int, most: int | None) -> _Span:
        """Writes out `least` copies, then an endless last one or as many optional ones as are left."""
        if most == 0 or _names_nothing(part):
            return _Span(empty=True, first=0, last=0)
        if most is None:
            spans = [self._build(part) for _ in range(max(least, 1))]
            self._let_follow(spans[-1].last, spans[-1].first)
            optional = 0 if least else 1
        else:
            spans = [self._build(part) for _ in range(most)]
            optional = most - least
        fixed = len(spans) - optional
        return self._join([*spans[:fixed], *(_Span(empty=True, first=s.first, last=s.last) for s in spans[fixed:])])


def _names_nothing(pattern: Pattern) -> bool:
    """Tells whether a pattern matches the empty text only: copies of it would cost time and add no position."""
    match pattern:
        case OneOf():
            return False
        case Repeat(part, _, most):
            return most == 0 or _names_nothing(part)
        case Sequence(parts) | Choice(parts):
            return all(map(_names_nothing, parts))


def _choose(spans: list[_Span]) -> _Span:
    first = last = 0
    for span in spans:
        first, last = first | span.first, last | span.last
    return _Span(any(span.empty for span in spans), first, last)


def _bits(positions: int) -> Iterator[int]:
    while positions:
        lowest = positions & -positions
        yield lowest.bit_length() - 1
        positions ^= lowest
