"""Decisions that are kept: one is made again only for what it was made of, and until the time changes it.

Only those of professionals in the normal mode are kept: what a patient sees, and an emergency, change by themselves. So
does what a scope asks for with a query, which the terminology and the clock have a part in.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import is_
from typing import NamedTuple, TypeAlias

from fhir_dmp.access.closure import Closure
from fhir_dmp.access.matrix import Matrix
from fhir_dmp.access.professional import BREAK_GLASS, REGULATION
from fhir_dmp.access.record import RecordState
from fhir_dmp.access.reimbursement import next_hour
from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.access.restriction import Restriction
from fhir_dmp.instant import Milliseconds
from fhir_dmp.interactions.recent import Recent
from fhir_dmp.search.facts import END

SINGLE, SEVERAL, QUESTIONS = 10_000, 20, 5_000
"""How many decisions are kept, about at most one record and about several, and of how many questions."""

_EMERGENCIES = frozenset({BREAK_GLASS, REGULATION})
_Asked: TypeAlias = tuple[Requester, str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What is asked of whatever records: who asks, as what he is known, the interaction, the type of the resources.

    Equal to itself only: there is one at a time, and decisions about one that is no longer asked are found no more.
    """

    requester: Requester
    interaction: str
    resource_type: str
    closure: Closure
    matrix: Matrix

    def is_of(self, closure: Closure, matrix: Matrix) -> bool:
        """Tells whether it is asked as one who is known by these, under this very matrix."""
        return self.matrix is matrix and (self.closure is closure or self.closure == closure)


class _Decided(NamedTuple):
    """A restriction, the very states that it was made of, and [since, until), the time for which it holds."""

    restriction: Restriction
    states: Sequence[RecordState]
    since: Milliseconds
    until: Milliseconds


class Decisions:
    """The decisions of one process."""

    def __init__(self) -> None:
        """Knows none."""
        self._questions: Recent[_Asked, Question] = Recent(QUESTIONS)
        self._single: Recent[Hashable, _Decided] = Recent(SINGLE)
        self._several: Recent[Hashable, _Decided] = Recent(SEVERAL)

    def question(
        self, requester: Requester, interaction: str, resource_type: str, closure: Closure, matrix: Matrix
    ) -> Question:
        """Returns the question of who is known by a closure, under the matrix that holds now."""
        asked = (requester, interaction, resource_type)
        found = self._questions.get(asked)
        if found is None or not found.is_of(closure, matrix):
            found = Question(*asked, closure, matrix)
            self._questions.put(asked, found)
        return found

    def recall(self, question: Question, states: Sequence[RecordState], now: Milliseconds) -> Restriction | None:
        """Returns a decision about these very states of records that holds now; None where none is kept."""
        found = self._place(states).get(_key(question, states))
        if found is None or not found.since <= now < found.until or len(found.states) != len(states):
            return None
        return found.restriction if all(map(is_, found.states, states)) else None

    def keep(
        self, question: Question, states: Sequence[RecordState], now: Milliseconds, restriction: Restriction
    ) -> None:
        """Keeps a decision, made now."""
        until = min((state.changes_after(now) for state in states), default=END)
        until = min(until, next_hour(now), question.closure.until)
        if is_lasting(question.requester):
            self._place(states).put(_key(question, states), _Decided(restriction, states, now, until))

    def _place(self, states: Sequence[RecordState]) -> Recent[Hashable, _Decided]:
        return self._several if len(states) > 1 else self._single


def _key(question: Question, states: Sequence[RecordState]) -> Hashable:
    if len(states) == 1:
        return question, states[0].patient_id
    return question, tuple(state.patient_id for state in states)


@lru_cache(maxsize=QUESTIONS)
def is_lasting(requester: Requester) -> bool:
    """Tells whether decisions for a requester hold for a while."""
    return (
        requester.kind is Kind.PRACTITIONER
        and requester.purposes.isdisjoint(_EMERGENCIES)
        and not any("?" in scope for scope in requester.scopes)
    )
