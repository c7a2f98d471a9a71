"""Clauses → clauses that are true of the same and less work: what all alternatives ask for is asked for once.

A store that is asked for `(a and b) or (a and c)` plans and reads for each of the two: one of MongoDB needs twice the
time that it needs for `a and (b or c)`.
"""

from __future__ import annotations

from collections.abc import Iterable

from fhir_dmp.access.clauses import conjuncts, every, no, some
from fhir_dmp.search.query import And, Clause, ConfidentialUpTo, Marked, Not, Or


def simplify(clause: Clause) -> Clause:
    """Returns a clause that is true of the same resources."""
    match clause:
        case And(clauses):
            return _conjunction(map(simplify, clauses))
        case Or(clauses):
            return _factor(some(map(simplify, clauses)))
        case Not(inner):
            return no(simplify(inner))
    return clause


def _conjunction(clauses: Iterable[Clause]) -> Clause:
    """Each part once, and of several limits of confidentiality the lowest."""
    parts = dict.fromkeys(part for clause in clauses for part in conjuncts(clause))
    lowest = min((part.rank for part in parts if isinstance(part, ConfidentialUpTo)), default=None)
    return every(part for part in parts if not isinstance(part, ConfidentialUpTo) or part.rank == lowest)


def _factor(clause: Clause) -> Clause:
    """Takes out of a disjunction what each of its parts asks for. A part that asks for no more makes up for all."""
    if not isinstance(clause, Or):
        return clause
    alternatives = [dict.fromkeys(conjuncts(part)) for part in clause.clauses]
    common = [part for part in alternatives[0] if all(part in others for others in alternatives[1:])]
    rests = [every(part for part in parts if part not in common) for parts in alternatives]
    return every([*common, some(sorted(rests, key=_asks_for_author))])


def _asks_for_author(clause: Clause) -> bool:
    """What one wrote himself is the least of what he sees, and a resource has many marks: it is looked for last."""
    return any(isinstance(part, Marked) and part.kind == "author" for part in conjuncts(clause))
