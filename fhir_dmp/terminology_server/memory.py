"""What a terminology server said, and whether it is worth asking: bounded in number and in time.

Both take the time, in seconds of a clock that never goes back.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from fhir_dmp.terminology.question import CodeQuestion

KEPT = 20_000
"""Answers."""
KEPT_FOR = 3600.0
"""Seconds; the content of a terminology changes a few times a year."""
FAILURE_KEPT_FOR = 10.0
FAILURES = 5
"""Failures in a row after which the server is left alone."""
PAUSE = 30.0
"""Seconds for which it is; then one question tells whether it is back."""


@dataclass(slots=True)
class Answers:
    """Answers by question, the oldest of them dropped first; None is the answer that could not be had."""

    most: int = KEPT
    _kept: OrderedDict[CodeQuestion, tuple[float, bool | None]] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        """The number of answers kept."""
        return len(self._kept)

    def find(self, question: CodeQuestion, now: float) -> tuple[bool | None] | None:
        """Returns an answer in a tuple; None where there is none that still holds."""
        known = self._kept.get(question)
        if known is None:
            return None
        until, answer = known
        if until <= now:
            del self._kept[question]
            return None
        return (answer,)

    def keep(self, question: CodeQuestion, answer: bool | None, now: float) -> None:  # noqa: FBT001  # the answer
        """Keeps an answer for as long as its kind holds."""
        self._kept.pop(question, None)
        self._kept[question] = (now + (FAILURE_KEPT_FOR if answer is None else KEPT_FOR), answer)
        if len(self._kept) > self.most:
            self._kept.popitem(last=False)


@dataclass(slots=True)
class Circuit:
    """Opens after several failures in a row: nothing is asked for a while, and after that one question at a time."""

    _failures: int = 0
    _open_until: float = 0.0

    def admits(self, now: float) -> bool:
        """Tells whether a question may be asked; the one that ends a pause starts the next."""
        if self._failures < FAILURES:
            return True
        if now < self._open_until:
            return False
        self._open_until = now + PAUSE
        return True

    def succeed(self) -> None:
        """The server answered."""
        self._failures = 0

    def fail(self, now: float) -> None:
        """The server did not answer, or not in terms of FHIR."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._open_until = now + PAUSE
