"""Draws of a seeded random generator: what happens, how often, which of many, and ids.

Ids are UUIDs of version 4, https://www.rfc-editor.org/rfc/rfc9562#section-5.4, drawn like everything else: the same
seed gives the same ids.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from math import exp
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")


class Weighted(Generic[T]):
    """Things of which each is drawn as often as its weight says."""

    __slots__ = ("_bounds", "_things")

    def __init__(self, rows: Iterable[tuple[T, float]]) -> None:
        """Takes each thing with its weight; at least one weight is above zero."""
        pairs = [(thing, weight) for thing, weight in rows if weight > 0]
        self._things = [thing for thing, _ in pairs]
        self._bounds = list(accumulate(weight for _, weight in pairs))

    def draw(self, chance: Random) -> T:
        """Returns one of them."""
        place = bisect_right(self._bounds, chance.random() * self._bounds[-1])
        return self._things[min(place, len(self._things) - 1)]


def happens(chance: Random, share: float) -> bool:
    """Tells whether what happens in this share of cases does now."""
    return chance.random() < share


def draw_count(chance: Random, mean: float) -> int:
    """Returns how often something happens that happens `mean` times on average (Poisson)."""
    limit, product, count = exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        count += 1
    return count


def draw_id(chance: Random) -> str:
    """Returns a UUID."""
    text = f"{chance.getrandbits(128):032x}"
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


def draw_between(chance: Random, low: int, high: int) -> int:
    """Returns a whole number from low to high, both included."""
    return low + int(chance.random() * (high - low + 1))


def draw_one(chance: Random, things: list[T]) -> T:
    """Returns one of several things, each as likely."""
    return things[int(chance.random() * len(things))]
