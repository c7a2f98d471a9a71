"""Directive: one Consent as the tree of rules it states, with no FHIR left in it.

https://hl7.org/fhir/R4/consent.html. Of a Provision, an attribute that is None does not restrict the rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fhir_dmp.instant import Milliseconds

Effect = Literal["permit", "deny"]
Meaning = Literal["instance", "related", "dependents", "authoredby"]
Span = tuple[Milliseconds, Milliseconds]
"""[low, high)."""
Code = tuple[str, str]
"""A system ("" for none) and a code in it."""

MAX_DEPTH = 4
"""Provisions nested inside the root."""
MAX_PROVISIONS = 200
"""Provisions of one Consent."""


@dataclass(frozen=True, slots=True)
class Data:
    """Some resources that a rule is about: `texts` name one, as `Type/id` or (of an author) also system|value."""

    meaning: Meaning
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Provision:
    """A rule with its exceptions. `actors` are the texts by which its recipients are known."""

    effect: Effect
    period: Span | None = None
    actors: frozenset[str] | None = None
    actions: frozenset[str] | None = None
    purposes: frozenset[str] | None = None
    classes: tuple[Code, ...] | None = None
    codes: tuple[Code, ...] | None = None
    labels: tuple[Code, ...] | None = None
    data_period: Span | None = None
    data: tuple[Data, ...] | None = None
    exceptions: tuple[Provision, ...] = ()


@dataclass(frozen=True, slots=True)
class Directive:
    """A Consent that is in force. `base` is what its policy rule says outside its root, None where it says nothing.

    One that `denies_only` was suspended by a merge: it permits nothing until the patient gives it again.
    """

    consent: str
    base: Effect | None
    root: Provision | None
    denies_only: bool = False

    @property
    def effects(self) -> frozenset[Effect]:
        """What its rules say somewhere, of something."""
        return frozenset({*(node.effect for node in _nodes(self)), *([self.base] if self.base else [])})


def blocks(directive: Directive, persons: frozenset[str], now: Milliseconds) -> bool:
    """Tells whether it shuts one of these persons out altogether: a deny of nothing but actors, and maybe a period."""
    root = directive.root
    if root is None or root.actors is None or root.effect != "deny" or root.actors.isdisjoint(persons):
        return False
    return root == Provision("deny", root.period, root.actors) and holds_at(root.period, now)


def holds_at(period: Span | None, now: Milliseconds) -> bool:
    """Tells whether a rule of this period is in force."""
    return period is None or period[0] <= now < period[1]


def instants_of(directive: Directive) -> Iterator[Milliseconds]:
    """Yields the instants at which one of its rules comes into force or ends."""
    for node in _nodes(directive):
        yield from node.period or ()


def _nodes(directive: Directive) -> Iterator[Provision]:
    pending = [directive.root] if directive.root else []
    while pending:
        node = pending.pop()
        yield node
        pending += node.exceptions
