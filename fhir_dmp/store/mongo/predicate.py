"""Clauses → predicates of documents that were read: true of exactly those that filter.py selects. Pure.

What access control asks of a resource (its type, id, patient, marks, confidentiality, times) is decided without another
query where the fields of DECIDING were read. What search parameters ask for needs more of it than is worth reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fhir_dmp.search.facts import DateFact
from fhir_dmp.search.match import meets_date
from fhir_dmp.search.query import (
    AboutPatient,
    And,
    Chained,
    Clause,
    Clinical,
    Condition,
    ConfidentialUpTo,
    Contains,
    DateValue,
    Everything,
    Has,
    LastUpdated,
    Marked,
    Not,
    Nothing,
    OfType,
    Or,
    Referred,
    Withheld,
    WithId,
)
from fhir_dmp.store.mongo.facts import INDEXED_MARKS, MARK, marked

Document = dict[str, Any]
Predicate = Callable[[Document], bool]

AUTHORS = 8
"""How many items of t are read: their marks come last (facts.py), and there are rarely more. All of t costs 10 µs."""
DECIDING: Document = {
    "ty": 1,
    "lu": 1,
    "pt": 1,
    "t": {"$slice": -AUTHORS},
    "k": 1,
    "cf": 1,
    "cl": 1,
    "ch": 1,
    "op": 1,
}
"""What a document has to be read with."""


def is_complete(document: Document) -> bool:
    """Tells whether a document that was read with DECIDING has all of its marks."""
    read = document.get("t", ())
    return len(read) < AUTHORS or not read[0].startswith(MARK)


def build_predicate(clause: Clause) -> Predicate | None:
    """Builds the predicate of a clause; None where it asks for more than is read."""
    match clause:
        case And(clauses):
            return _combine(_all, dict.fromkeys(_flatten(clauses)))
        case Or(clauses):
            return _combine(_any, clauses)
        case Not(inner):
            return _build_negation(inner)
        case Everything() | Nothing():
            is_true = isinstance(clause, Everything)
            return lambda _: is_true
        case Contains() | Chained() | Referred():
            return None
        case _:
            return _build_condition(clause)


def _build_negation(inner: Clause) -> Predicate | None:
    if isinstance(inner, Marked):
        return _not_marked(*_place_of(inner.kind, inner.texts))
    return _combine(_negate, (inner,))


def _combine(combined: Callable[[list[Predicate]], Predicate], clauses: Iterable[Clause]) -> Predicate | None:
    parts = [build_predicate(clause) for clause in clauses]
    needed = [part for part in parts if part]
    return combined(needed) if len(needed) == len(parts) else None


def _build_condition(clause: Condition) -> Predicate | None:
    match clause:
        case OfType(resource_types):
            return _one_of("ty", resource_types)
        case WithId(resource_type, resource_ids):
            return _one_of("_id", tuple(f"{resource_type}/{resource_id}" for resource_id in resource_ids))
        case AboutPatient(patient_ids):
            return _one_of("pt", patient_ids)
        case LastUpdated(values):
            return _any([_is_updated(value) for value in values])
        case Has():
            return None
        case _:
            return _build_security(clause)


def _build_security(clause: Marked | ConfidentialUpTo | Clinical | Withheld) -> Predicate:
    match clause:
        case Marked(kind, texts):
            return _marked(*_place_of(kind, texts))
        case ConfidentialUpTo(rank):
            return lambda document: "cf" in document and document["cf"] <= rank
        case Clinical(value):
            return lambda document: "cl" in document and meets_date(DateFact("", document["cl"], document["ch"]), value)
        case Withheld(at):
            return lambda document: "op" in document and document["op"] > at


def _flatten(clauses: tuple[Clause, ...]) -> list[Clause]:
    return [part for clause in clauses for part in (_flatten(clause.clauses) if isinstance(clause, And) else [clause])]


def _all(parts: list[Predicate]) -> Predicate:
    if len(parts) == len(("one", "other")):
        one, other = parts
        return lambda document: one(document) and other(document)

    def run(document: Document) -> bool:
        for part in parts:  # noqa: SIM110  a generator costs more than most parts
            if not part(document):
                return False
        return True

    return run


def _any(parts: list[Predicate]) -> Predicate:
    if len(parts) == len(("one", "other")):
        one, other = parts
        return lambda document: one(document) or other(document)

    def run(document: Document) -> bool:
        for part in parts:  # noqa: SIM110  as above
            if part(document):
                return True
        return False

    return run


def _negate(parts: list[Predicate]) -> Predicate:
    (part,) = parts
    return lambda document: not part(document)


def _one_of(name: str, values: tuple[str, ...]) -> Predicate:
    wanted = frozenset(values)
    return lambda document: document.get(name) in wanted


def _place_of(kind: str, texts: Iterable[str]) -> tuple[str, frozenset[str]]:
    """The field in which marks of a kind stand, and the items that have these texts."""
    return "t" if kind in INDEXED_MARKS else "k", frozenset(marked(kind, text) for text in texts)


def _marked(name: str, texts: frozenset[str]) -> Predicate:
    return lambda document: not texts.isdisjoint(document.get(name, ()))


def _not_marked(name: str, texts: frozenset[str]) -> Predicate:
    return lambda document: texts.isdisjoint(document.get(name, ()))


def _is_updated(value: DateValue) -> Predicate:
    return lambda document: meets_date(DateFact("", document["lu"], document["lu"] + 1), value)
