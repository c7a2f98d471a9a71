"""Decisions that are kept: one is made again only for what it was made of, and until the time changes it.

Only those of professionals in the normal mode are kept: what a patient sees, and an emergency, change by themselves. So
does what a scope asks for with a query, which the terminology and the clock have a part in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from fhir_dmp.access.closure import Closure
from fhir_dmp.access.professional import BREAK_GLASS, REGULATION
from fhir_dmp.access.record import RecordState
from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.instant import Milliseconds
from fhir_dmp.interactions.recent import Recent
from fhir_dmp.search.facts import END

SINGLE, SEVERAL = 20_000, 20
"""How many decisions are kept, about at most one record and about several."""

_EMERGENCIES = frozenset({BREAK_GLASS, REGULATION})
Question: TypeAlias = tuple[Requester, str, str, str | tuple[str, ...]]
"""Requester, interaction, type of the resources, patients: one, of resources that are asked for by id, or several."""


@dataclass(frozen=True, slots=True)
class _Decided:
    """A restriction, what it was made of, and the time from which on it may be another."""

    restriction: Restriction
    closure: Closure
    states: tuple[RecordState, ...]
    since: Milliseconds
    until: Milliseconds


class Decisions:
    """The decisions of one process."""

    def __init__(self) -> None:
        """Knows none."""
        self._single: Recent[Question, _Decided] = Recent(SINGLE)
        self._several: Recent[Question, _Decided] = Recent(SEVERAL)

    def recall(
        self, question: Question, closure: Closure, states: Sequence[RecordState], now: Milliseconds
    ) -> Restriction | None:
        """Returns a decision that holds for these states, this closure and this time; None where none is kept."""
        found = self._place(states).get(question)
        if found is None or not found.since <= now < found.until or len(found.states) != len(states):
            return None
        is_same = found.closure is closure or found.closure == closure
        if not is_same or any(one is not other for one, other in zip(found.states, states, strict=True)):
            return None
        return found.restriction

    def keep(
        self,
        question: Question,
        closure: Closure,
        states: Sequence[RecordState],
        now: Milliseconds,
        restriction: Restriction,
    ) -> None:
        """Keeps a decision, made now."""
        until = min((state.changes_after(now) for state in states), default=END)
        if is_lasting(question[0]) and until > now:
            self._place(states).put(question, _Decided(restriction, closure, tuple(states), now, until))

    def _place(self, states: Sequence[RecordState]) -> Recent[Question, _Decided]:
        return self._several if len(states) > 1 else self._single


def is_lasting(requester: Requester) -> bool:
    """Tells whether decisions for a requester hold for a while."""
    return (
        requester.kind is Kind.PRACTITIONER
        and requester.purposes.isdisjoint(_EMERGENCIES)
        and not any("?" in scope for scope in requester.scopes)
    )
