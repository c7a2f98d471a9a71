"""Decisions that are kept: one is made again only for what it was made of, and until the time changes it.

Only those of professionals in the normal mode are kept: what a patient sees, and an emergency, change by themselves. So
does what a scope asks for with a query, which the terminology and the clock have a part in.
"""

from __future__ import annotations

from collections.abc import Sequence
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

SINGLE, SEVERAL = 10_000, 20
"""How many decisions are kept, about at most one record and about several."""

_EMERGENCIES = frozenset({BREAK_GLASS, REGULATION})
Question: TypeAlias = tuple[Requester, str, str, str | tuple[str, ...]]
"""Requester, interaction, type of the resources, patients: one, of resources that are asked for by id, or several."""


class Basis(NamedTuple):
    """What a decision is made of, beside the question and the time."""

    closure: Closure
    matrix: Matrix
    states: Sequence[RecordState]

    def is_same(self, other: Basis) -> bool:
        """Tells whether it is made of the same things; of states and the matrix, the very same objects."""
        if self.matrix is not other.matrix or len(self.states) != len(other.states):
            return False
        is_known = self.closure is other.closure or self.closure == other.closure
        return is_known and all(map(is_, self.states, other.states))


class _Decided(NamedTuple):
    """A restriction, what it was made of, and [since, until), the time for which it holds."""

    restriction: Restriction
    basis: Basis
    since: Milliseconds
    until: Milliseconds


class Decisions:
    """The decisions of one process."""

    def __init__(self) -> None:
        """Knows none."""
        self._single: Recent[Question, _Decided] = Recent(SINGLE)
        self._several: Recent[Question, _Decided] = Recent(SEVERAL)

    def recall(self, question: Question, basis: Basis, now: Milliseconds) -> Restriction | None:
        """Returns a decision that is made of this and holds now; None where none is kept."""
        found = self._place(basis.states).get(question)
        is_his = found is not None and found.since <= now < found.until and found.basis.is_same(basis)
        return found.restriction if found and is_his else None

    def keep(self, question: Question, basis: Basis, now: Milliseconds, restriction: Restriction) -> None:
        """Keeps a decision, made now."""
        until = min((state.changes_after(now) for state in basis.states), default=END)
        until = min(until, next_hour(now))
        if is_lasting(question[0]):
            self._place(basis.states).put(question, _Decided(restriction, basis, now, until))

    def _place(self, states: Sequence[RecordState]) -> Recent[Question, _Decided]:
        return self._several if len(states) > 1 else self._single


def is_lasting(requester: Requester) -> bool:
    """Tells whether decisions for a requester hold for a while."""
    return (
        requester.kind is Kind.PRACTITIONER
        and requester.purposes.isdisjoint(_EMERGENCIES)
        and not any("?" in scope for scope in requester.scopes)
    )
