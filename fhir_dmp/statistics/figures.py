"""The numbers that are told, each of a cell that never changes its bounds: docs/decisions/0041-statistics.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

LEAST = 10
"""What is less often is not told: it is as if it were not at all."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A record that was opened: in which month (its first day), for someone of which département, by which channel.

    It names nobody. The département is a code of TRE_G09, "" where the address does not tell it.
    """

    month: date
    department: str
    channel: str


@dataclass(frozen=True, slots=True)
class Opened:
    """How many records were opened in one way."""

    opening: Opening
    count: int


@dataclass(frozen=True, slots=True)
class Fed:
    """How many documents of a class (TRE_A03, "" for none of them) came in a week, by its Monday."""

    week: date
    document_class: str
    count: int


@dataclass(frozen=True, slots=True)
class Figures:
    """All that is told of a time, in order."""

    opened: Sequence[Opened]
    fed: Sequence[Fed]
