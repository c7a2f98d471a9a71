"""Samples, and rounds that take every measure once: on a busy machine only ratios within a round mean something."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

Measure = Callable[[float], "Sample"]
"""Takes the seconds it may last."""

ROUNDS = 5
SECONDS = 1.5
"""Of one measure in one round."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was done in some seconds. `cpu` is the CPU time, in seconds, of the process that is measured."""

    operations: int
    seconds: float
    cpu: float
    errors: int = 0

    @property
    def rate(self) -> float:
        """Operations a second."""
        return self.operations / self.seconds

    @property
    def cost(self) -> float:
        """CPU of the process per operation, in microseconds."""
        return self.cpu / max(1, self.operations) * 1e6


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: ours against its floor. `ratio` and `cpu_ratio` are medians of the rounds' own ratios."""

    subject: str
    floor: str
    floor_rate: float
    our_rate: float
    ratio: float
    floor_cost: float
    our_cost: float
    cpu_ratio: float
    target: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One subject: the measure of ours, the name of the floor's, and the least ratio that is wanted."""

    subject: str
    ours: Measure
    floor: str
    target: float | None = None


def compare(floors: Mapping[str, Measure], comparisons: list[Comparison], rounds: int = ROUNDS) -> list[Row]:
    """Takes all measures in turn, several times, after one round that is not counted."""
    measures = {**floors, **{row.subject: row.ours for row in comparisons}}
    for measure in measures.values():
        measure(SECONDS / 3)
    taken = [{name: measure(SECONDS) for name, measure in measures.items()} for _ in range(rounds)]
    for name in measures:
        _refuse_errors(name, sum(samples[name].errors for samples in taken))
    return [
        _row(comparison, [(samples[comparison.floor], samples[comparison.subject]) for samples in taken])
        for comparison in comparisons
    ]


def _refuse_errors(name: str, errors: int) -> None:
    if errors:
        raise RuntimeError(f"{name}: {errors} answers were errors, so its figures mean nothing")


def _row(comparison: Comparison, pairs: list[tuple[Sample, Sample]]) -> Row:
    return Row(
        subject=comparison.subject,
        floor=comparison.floor,
        floor_rate=median(floor.rate for floor, _ in pairs),
        our_rate=median(ours.rate for _, ours in pairs),
        ratio=median(ours.rate / floor.rate for floor, ours in pairs),
        floor_cost=median(floor.cost for floor, _ in pairs),
        our_cost=median(ours.cost for _, ours in pairs),
        cpu_ratio=median(floor.cost / ours.cost for floor, ours in pairs),
        target=comparison.target,
    )
