"""Regular expressions in linear time: Glushkov's automaton of a pattern.

One position for each character that the pattern names and no backtracking, so a text of n characters takes n steps
whatever the pattern. Anchors are positions too: they accept marks that stand before and after the text.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from fhir_dmp.regex.pattern import Anchor, Choice, More, NotRegular, OneOf, Pattern, Repeat, Sequence, parse_pattern

MAX_POSITIONS = 1000
"""Characters that a pattern may name once `{m,n}` is written out."""
_MAX_KEPT = 10_000
_MARKS = ("<start>", "<end>")
"""Longer than one character: no set of characters accepts them."""
_BOTH = "<both>"
"""The mark of a text without characters, whose start is its end: there anchors stand in any order."""
_START, _END = (OneOf(re.compile(f"{mark}|{_BOTH}")) for mark in _MARKS)


def compile_regex(text: str) -> Callable[[str], bool]:
    """Returns the test whether a pattern matches the whole of a text; raises NotRegular."""
    return Automaton(parse_pattern(text)).matches


@dataclass(frozen=True, slots=True)
class _Span:
    """A part of a pattern: whether it may be empty, and the positions (as bits) it may start and end with."""

    empty: bool
    first: int
    last: int


class Automaton:
    """Positions are bits: `_follow[i]` are those that may come after position i. Raises NotRegular when made."""

    def __init__(self, pattern: Pattern) -> None:
        """Builds the positions of a pattern."""
        self._accepts: list[OneOf] = []
        self._follow: list[int] = []
        self._accepting: dict[str, int] = {}
        self._steps: dict[tuple[int, str], int] = {}
        self._anchors = [0, 0]
        self._is_ambiguous = False
        self._part = self._build(pattern)
        self.is_one_way = not self._is_ambiguous and all(map(self._are_disjoint, {self._part.first, *self._follow}))
        """A character never leaves two ways open: backtracking has nothing to try again."""
        self.stops_anywhere = self._part.last == (1 << len(self._accepts)) - 1
        """Whatever was read so far is a match: no reading is in vain."""
        self._whole = self._surround(self._part) if any(self._anchors) else self._part

    def matches(self, text: str) -> bool:
        """Tells whether the whole text matches."""
        current, whole = 0, self._whole
        characters = self._marked(text)
        first = next(characters, None)
        if first is None:
            return whole.empty
        current = whole.first & self._accepted_by(first)
        for character in characters:
            if not current:
                return False
            current = self._step(current, character)
        return bool(current & whole.last)

    def occurs_in(self, text: str) -> bool:
        """Tells whether some part of the text matches; `$` also stands before a line feed that ends the text."""
        if self._part.empty or self._occurs(text):
            return True
        return self._anchors[1] > 0 and text.endswith("\n") and self._occurs(text[:-1])

    def _occurs(self, text: str) -> bool:
        current, first, last = 0, self._part.first, self._part.last
        for character in self._marked(text):
            current = (self._step(current, character) if current else 0) | (first & self._accepted_by(character))
            if current & last:
                return True
        return False

    def _marked(self, text: str) -> Iterator[str]:
        """The text with a mark for each anchor: several may stand for the same place."""
        before, after = self._anchors
        if not text:
            yield from [_BOTH] * (before + after)
            return
        yield from [_MARKS[0]] * before
        yield from text
        yield from [_MARKS[1]] * after

    def _surround(self, span: _Span) -> _Span:
        """Lets marks pass that no anchor takes."""
        before, after = (self._repeat(mark, 0, None) for mark in (_START, _END))
        return self._join([before, span, after])

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
            known = _as_bits(place for place, one in enumerate(self._accepts) if one.accepts.fullmatch(character))
            if len(self._accepting) < _MAX_KEPT:
                self._accepting[character] = known
        return known

    def _are_disjoint(self, positions: int) -> bool:
        """Tells whether no character is accepted twice; beyond ASCII a set that is not plain is taken for all."""
        if positions & (positions - 1) == 0:
            return True
        taken = 0
        for position in _bits(positions):
            accepted = _sample(self._accepts[position].accepts)
            if accepted & taken:
                return False
            taken |= accepted
        return True

    def _build(self, pattern: Pattern) -> _Span:
        match pattern:
            case OneOf():
                return self._position(pattern)
            case Anchor(is_end):
                self._anchors[is_end] += 1
                return self._repeat(_END if is_end else _START, 1, None)
            case Sequence(parts):
                return self._join([self._build(part) for part in parts])
            case Choice(parts):
                return _choose([self._build(part) for part in parts])
            case Repeat(part, least, most):
                return self._repeat(part, least, most)
            case More():
                raise NotRegular("an assertion or a back-reference is more than a regular expression")

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
            self._is_ambiguous |= bool(self._follow[position] & after)
            self._follow[position] |= after

    def _repeat(self, part: Pattern, least: int, most: int | None) -> _Span:
        """Writes out the copies: each follows the one before it, and an endless last one itself."""
        if most == 0 or _names_nothing(part):
            return _Span(empty=True, first=0, last=0)
        spans = [self._build(part) for _ in range(max(least, 1) if most is None else most)]
        for before, after in itertools.pairwise(spans):
            self._let_follow(before.last, after.first)
        if most is None:
            self._let_follow(spans[-1].last, spans[-1].first)
        may_be_empty = spans[0].empty
        self._is_ambiguous |= may_be_empty and most != 1
        last = 0
        for span in spans if may_be_empty else spans[max(least, 1) - 1 :]:
            last |= span.last
        return _Span(empty=may_be_empty or least == 0, first=spans[0].first, last=last)


def _names_nothing(pattern: Pattern) -> bool:
    """Tells whether a pattern matches the empty text only: copies of it would cost time and add no position."""
    match pattern:
        case OneOf() | Anchor() | More():
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


@lru_cache(maxsize=1024)
def _sample(accepts: re.Pattern[str]) -> int:
    """The characters that a set accepts, as bits: the marks, ASCII, and one bit for all the rest."""
    beyond = accepts.pattern.startswith(("[^", ".")) or "\\" in accepts.pattern or not accepts.pattern.isascii()
    accepted = [accepts.fullmatch(text) is not None for text in (*map(chr, range(128)), *_MARKS)]
    return _as_bits(place for place, is_accepted in enumerate([*accepted, beyond]) if is_accepted)


def _as_bits(places: Iterable[int]) -> int:
    return sum(1 << place for place in places)


def _bits(positions: int) -> Iterator[int]:
    while positions:
        lowest = positions & -positions
        yield lowest.bit_length() - 1
        positions ^= lowest
