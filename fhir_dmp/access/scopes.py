"""SMART scopes: what a token lets its bearer do with the rights he has; they never give any.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html; those of version 1 are mapped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl

from fhir_dmp.access.clauses import EVERYTHING, every, some
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.search.query import AboutPatient, And, Clause, OfType

LETTERS = {
    "read": "r",
    "vread": "r",
    "history-instance": "r",
    "search-type": "s",
    "search-system": "s",
    "history-type": "s",
    "history-system": "s",
    "create": "c",
    "update": "u",
    "patch": "u",
    "delete": "d",
}
"""The permission that each interaction needs."""
_SCOPE = re.compile(r"(patient|user|system)/([A-Z][A-Za-z]+|\*)\.(read|write|\*|c?r?u?d?s?)(?:\?(.*))?", re.DOTALL)
_VERSION_1 = {"read": "rs", "write": "cud", "*": "cruds"}
_KEPT = 1024
"""Scopes that are remembered as they were read: there are few, and every request has some."""

Parameters = Sequence[tuple[str, str]]
ParseSearch = Callable[[str, Parameters], Clause]
"""The clause of some search parameters of a type: of the type, and one more for each that asks for something.

Raises FhirError where one is not known.
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope: `letters` of cruds on a type ("*": every), narrowed to what the clause is true of.

    `is_patient` binds it to the patient in the token's context.
    """

    is_patient: bool
    resource_type: str
    letters: str
    clause: Clause = EVERYTHING


@dataclass(frozen=True, slots=True)
class _Written:
    """A scope as it is written: its parameters are not looked at yet."""

    is_patient: bool
    resource_type: str
    letters: str
    parameters: Parameters


def parse_scopes(texts: Iterable[str], parse_search: ParseSearch) -> tuple[Scope, ...]:
    """Returns the scopes about resources; others (openid, launch…) and malformed ones give nothing.

    Raises FhirError (forbidden) for a query that cannot be enforced: a chain, a modifier, a parameter that is unknown,
    has no value or is about results.
    """
    found = ((text, _read(text)) for text in texts)
    return tuple(_build(text, written, parse_search) for text, written in found if written)


def scope_clause(scopes: Iterable[Scope], interaction: str, patient_id: str, outside: Clause) -> Clause:
    """Returns what some scopes leave of an interaction; of an unknown one: Nothing.

    A patient/ scope reaches the patient in context, and what is `outside` of any patient's record.
    """
    letter = LETTERS.get(interaction, "")
    granted = [scope for scope in scopes if letter and letter in scope.letters]
    return some([_clause_of(scope, patient_id, outside) for scope in granted])


def _clause_of(scope: Scope, patient_id: str, outside: Clause) -> Clause:
    types = EVERYTHING if scope.resource_type == "*" else OfType((scope.resource_type,))
    own = AboutPatient((patient_id,) if patient_id else ())
    return every([types, scope.clause, some([own, outside]) if scope.is_patient else EVERYTHING])


@lru_cache(maxsize=_KEPT)
def _read(text: str) -> _Written | None:
    """What a scope says of itself: that is the same at each request, what its parameters ask for is not (`ap`)."""
    found = _SCOPE.fullmatch(text)
    if not found or not found[3]:
        return None
    level, resource_type, letters, query = found.groups()
    parameters = tuple(parse_qsl(query or "", keep_blank_values=True))
    is_plain = parameters and resource_type != "*" and all(_is_plain(name) for name, _ in parameters)
    if query is not None and not is_plain:
        raise _not_enforceable(text)
    return _Written(level == "patient", resource_type, _VERSION_1.get(letters, letters), parameters)


def _build(text: str, written: _Written, parse_search: ParseSearch) -> Scope:
    clause = _parse_query(text, written, parse_search) if written.parameters else EVERYTHING
    return Scope(written.is_patient, written.resource_type, written.letters, clause)


def _parse_query(text: str, written: _Written, parse_search: ParseSearch) -> Clause:
    try:
        clause = parse_search(written.resource_type, written.parameters)
    except FhirError:
        raise _not_enforceable(text) from None
    parts = clause.clauses if isinstance(clause, And) else ()
    if len(parts) != 1 + len(written.parameters):
        # beside the type each parameter asks for something: one without a value, or about results, limits nothing, and
        # what it was meant to is not known
        raise _not_enforceable(text)
    return clause


def _not_enforceable(text: str) -> FhirError:
    message = f"The scope {text[:200]} cannot be enforced: only plain search parameters of one type can, with values."
    return error(Category.FORBIDDEN, "scope-not-enforceable", message)


def _is_plain(name: str) -> bool:
    return not any(mark in name for mark in ":.") and name not in {"_filter", "_has", "_list", "_query"}
