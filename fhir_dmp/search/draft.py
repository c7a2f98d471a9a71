"""A search in the making: what has been understood so far, the limits on it, and how it is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from fhir_dmp.outcome import Category, FhirError, Issue, error
from fhir_dmp.search.query import Clause, Contained, Include, Sort, Total
from fhir_dmp.search.space import Parameter
from fhir_dmp.search.terms import refuse
from fhir_dmp.search.values import BadValue, Reading
from fhir_dmp.subset import Summary

SHOWN = 64
"""Of a name or value, so many characters are repeated in a message."""
HINTS = 10
"""Only the first unknown parameters get a proposal: finding one takes time."""
Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one search. `comparisons` counts alternatives times the types they may be of.

    `codes` is what the value sets and hierarchies that it names may have together, `hops` how often its chains may go
    from one resource to another.
    """

    parameters: int = 200
    value_length: int = 8192
    alternatives: int = 1000
    comparisons: int = 10_000
    codes: int = 5000
    hops: int = 8
    includes: int = 32
    sort_keys: int = 8
    count: int = 1000


STANDARD = Limits()


@dataclass(slots=True)
class Cost:
    """What a search has asked for so far: codes of value sets and hierarchies, and hops of chains."""

    listed: int = 0
    hops: int = 0


@dataclass(slots=True)
class Draft:
    """A query in the making."""

    resource_types: tuple[str, ...]
    known: Mapping[str, Parameter]
    reading: Reading
    limits: Limits
    cost: Cost = field(default_factory=Cost)
    clauses: list[Clause] = field(default_factory=list)
    sort: tuple[Sort, ...] = ()
    count: int | None = None
    summary: Summary | Literal["count"] | None = None
    elements: frozenset[str] = frozenset()
    total: Total | None = None
    includes: list[Include] = field(default_factory=list)
    used: list[tuple[str, str]] = field(default_factory=list)
    unknown: list[Issue] = field(default_factory=list)
    contained: Contained = Contained.LEFT_OUT


def read_as(name: str, text: str, parse: Callable[[str], Parsed]) -> Parsed:
    """Returns what a value of a parameter says; raises FhirError where it is not acceptable."""
    try:
        return parse(text)
    except BadValue as fault:
        raise bad_value(name, text, fault) from None
    except FhirError as fault:
        raise refuse(fault, expression_of(name)) from None


def bad_value(name: str, text: str, fault: BadValue) -> FhirError:
    """Returns the refusal of a value, with the reason."""
    shown = text if len(text) <= SHOWN else text[:SHOWN] + "…"
    return invalid("parameter-value", f"The value '{shown}' of {name} is not acceptable: {fault}.", name)


def invalid(code: str, message: str, name: str) -> FhirError:
    """Returns the refusal of a parameter."""
    return error(Category.INVALID_PARAMETER, code, message, expression_of(name))


def too_costly(message: str, name: str) -> FhirError:
    """Returns the refusal of what is beyond a limit."""
    return error(Category.TOO_COSTLY, "search-too-costly", message, expression_of(name))


def expression_of(name: str) -> str:
    """Returns what R4 writes into OperationOutcome.issue.expression for a parameter."""
    return f"http.{name[:SHOWN]}" if name else ""
