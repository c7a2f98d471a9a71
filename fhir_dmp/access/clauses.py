"""Clauses put together so that what is known folds away: most of a Consent does not concern the request at hand."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from fhir_dmp.search.query import And, Clause, Everything, Has, Marked, Not, Nothing, OfType, Or, WithId

EVERYTHING, NOTHING = Everything(), Nothing()


def every(clauses: Iterable[Clause]) -> Clause:
    """Returns the conjunction; of none: Everything."""
    parts = [part for clause in clauses for part in conjuncts(clause) if part != EVERYTHING]
    if NOTHING in parts:
        return NOTHING
    return And(tuple(parts)) if len(parts) > 1 else parts[0] if parts else EVERYTHING


def some(clauses: Iterable[Clause]) -> Clause:
    """Returns the disjunction; of none: Nothing."""
    parts = [part for clause in clauses for part in _disjuncts(clause) if part != NOTHING]
    if EVERYTHING in parts:
        return EVERYTHING
    return Or(tuple(parts)) if len(parts) > 1 else parts[0] if parts else NOTHING


def no(clause: Clause) -> Clause:
    """Returns the negation."""
    match clause:
        case Everything():
            return NOTHING
        case Nothing():
            return EVERYTHING
        case Not(inner):
            return inner
    return Not(clause)


@lru_cache(maxsize=1024)
def authored_by(texts: frozenset[str]) -> Clause:
    """Returns what one of these parties answers for, by the texts they are known by."""
    found = tuple(sorted(texts))
    return Marked("author", found) if found else NOTHING


def among(clause: Clause, resource_types: frozenset[str]) -> Clause:
    """Returns what remains to be asked of resources that are known to be of these types."""
    match clause:
        case And(clauses):
            return every(among(inner, resource_types) for inner in clauses)
        case Or(clauses):
            return some(among(inner, resource_types) for inner in clauses)
        case Not(inner):
            return no(among(inner, resource_types))
        case OfType(named):
            return EVERYTHING if resource_types.issubset(named) else _unless_disjoint(clause, named, resource_types)
        case WithId(named) | Has(named):
            return _unless_disjoint(clause, (named,), resource_types)
    return clause


def _unless_disjoint(clause: Clause, named: Iterable[str], resource_types: frozenset[str]) -> Clause:
    return NOTHING if resource_types.isdisjoint(named) else clause


def conjuncts(clause: Clause) -> tuple[Clause, ...]:
    """Returns the clauses that a conjunction is made of."""
    return clause.clauses if isinstance(clause, And) else (clause,)


def _disjuncts(clause: Clause) -> tuple[Clause, ...]:
    return clause.clauses if isinstance(clause, Or) else (clause,)
