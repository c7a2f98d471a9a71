"""How many steps backtracking takes at most, from the tree of a pattern: for what no automaton can run.

Each quantifier is a choice among as many ends as the text has places, each alternative one among its parts; choices
multiply. Where a repeated part has choices of its own they multiply without end, and nothing is promised.
"""

from __future__ import annotations

from dataclasses import dataclass

from fhir_dmp.regex.pattern import Anchor, Choice, More, OneOf, Pattern, Repeat, Sequence


@dataclass(frozen=True, slots=True)
class Effort:
    """The ways through a pattern, `factor` times (length + 1) to the power of `degree`, and the steps of each."""

    size: int = 1
    factor: int = 1
    degree: int = 0

    def steps(self, length: int) -> int:
        """Returns the steps that a search in a text of this length takes at most."""
        ends: int = (length + 1) ** (self.degree + 1)
        return self.size * self.factor * ends


_STRAIGHT = Effort()


def weigh(pattern: Pattern) -> Effort | None:
    """Returns the effort of backtracking, None where it is not bounded by a power of the length."""
    match pattern:
        case OneOf() | Anchor() | More(None):
            return _STRAIGHT
        case More(part):
            return weigh(part) if part else _STRAIGHT
        case Sequence(parts):
            return _multiply(parts)
        case Choice(parts):
            inner = _multiply(parts)
            return Effort(inner.size, inner.factor * len(parts), inner.degree) if inner else None
        case Repeat(part, least, most):
            return _repeat(part, least, most)


def _repeat(part: Pattern, least: int, most: int | None) -> Effort | None:
    inner = weigh(part)
    if inner is None or most == 1 == least:
        return inner
    if most == 1:
        return Effort(inner.size, 2 * inner.factor, inner.degree)
    if inner.factor > 1 or inner.degree:
        return None
    if most == least:
        return Effort(inner.size * most)
    return Effort(inner.size * max(least, 1), 1, 1)


def _multiply(parts: tuple[Pattern, ...]) -> Effort | None:
    size, factor, degree = 1, 1, 0
    for part in parts:
        inner = weigh(part)
        if inner is None:
            return None
        size, factor, degree = size + inner.size, factor * inner.factor, degree + inner.degree
    return Effort(size, factor, degree)


def longest(pattern: Pattern) -> int | None:
    """Returns the characters that a match has at most, None where there is no end, or where that is not known."""
    match pattern:
        case OneOf():
            return 1
        case Anchor():
            return 0
        case More():
            return None
        case Choice(parts):
            lengths = [longest(part) for part in parts]
            return None if None in lengths else max((length or 0 for length in lengths), default=0)
        case Sequence(parts):
            lengths = [longest(part) for part in parts]
            return None if None in lengths else sum(length or 0 for length in lengths)
        case Repeat(part, _, most):
            length = longest(part)
            return None if length is None or most is None else length * most
