"""How long an answer takes does not tell what is hidden from what is absent (row 25 of the leak channels).

Not a race against a clock: both are asked in turns, in random order, many times, so that what else the machine does
falls on both alike. What is compared is how often the one takes longer than the other (the area under the ROC curve:
0.5 where nothing can be told from one sample), with a bound that noise of this many samples does not reach by far.
"""

from __future__ import annotations

import time
from random import Random
from statistics import median
from typing import Any

import pytest

from tests.access_http.house import House

SAMPLES = 100
"""Of each; the standard error of the area is then sqrt((2 n + 1) / (12 n n)) = 0.041."""
FARTHEST = 0.5 + 0.25
"""Six standard errors; a query more, or one less, on the way shows as 0.9 and above."""


async def _measure(house: House, method: str, targets: dict[str, str], headers: Any) -> dict[str, list[int]]:
    """Asks for each target so many times, in random order, and returns nanoseconds."""
    order = list(targets) * SAMPLES
    Random(25).shuffle(order)
    taken: dict[str, list[int]] = {name: [] for name in targets}
    for name in order:
        began = time.perf_counter_ns()
        await house.guarded.client.request(method, targets[name], headers=headers)
        taken[name].append(time.perf_counter_ns() - began)
    return taken


def area(first: list[int], second: list[int]) -> float:
    """Returns how often a sample of the one is larger than one of the other, as a share of all pairs."""
    pairs = [(one > other) + 0.5 * (one == other) for one in first for other in second]
    return sum(pairs) / len(pairs)


ASKED = [
    ("GET", "DocumentReference/{}"),
    ("DELETE", "DocumentReference/{}"),
    ("GET", "DocumentReference?patient=@&_id={}"),
]


def test_the_area_tells_what_takes_longer() -> None:
    assert area([2, 3], [1, 1]) == 1
    assert area([1, 2], [1, 2]) == 0.5


@pytest.mark.parametrize(("method", "path"), ASKED)
async def test_row_25_time_does_not_tell_hidden_from_absent(house: House, method: str, path: str) -> None:
    record = await house.make_record()
    targets = {
        name: path.replace("{}", found).replace("@", record.patient)
        for name, found in (("hidden", record.masked), ("absent", record.absent))
    }
    taken = await _measure(house, method, targets, house.petit())
    found = area(taken["hidden"], taken["absent"])
    milliseconds = {name: round(median(rows) / 1e6, 2) for name, rows in taken.items()}
    assert 1 - FARTHEST < found < FARTHEST, f"area {found:.3f}, medians {milliseconds}"
