"""Path: one way to a record's items, with what must hold on it. A record is open to a requester along any of his paths.

    a path leads to an item   every condition before is true of it, then some grant, then every condition after
    why not                   the first of these that is false

One structure gives the filter (clause), the decision about an item (judge) and its explanation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fhir_dmp.access.clauses import NOTHING, every, some
from fhir_dmp.access.reason import Reason
from fhir_dmp.search.facts import Facts
from fhir_dmp.search.match import matches
from fhir_dmp.search.query import Clause


@dataclass(frozen=True, slots=True)
class Grant:
    """What gives access: to the items of which the clause is true, for this reason."""

    clause: Clause
    reason: Reason


@dataclass(frozen=True, slots=True)
class Condition:
    """What has to be true; `reason` is why not, where it is false."""

    clause: Clause
    reason: Reason


@dataclass(frozen=True, slots=True)
class Path:
    """One way in. `otherwise` is the reason where no grant is true.

    `is_partial` marks a way to single items only, which does not make the record open.
    """

    otherwise: Reason
    grants: tuple[Grant, ...] = ()
    before: tuple[Condition, ...] = ()
    after: tuple[Condition, ...] = ()
    is_partial: bool = False

    @property
    def clause(self) -> Clause:
        """The items that it leads to."""
        conditions = (*self.before, *self.after)
        return every([some(grant.clause for grant in self.grants), *(rule.clause for rule in conditions)])


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether, and why. `is_hidden` says that a write was refused because what it is about does not exist for him."""

    permitted: bool
    reason: Reason
    is_hidden: bool = False


@dataclass(frozen=True, slots=True)
class Ways:
    """All paths of a requester into one record. `refusal` closes it whatever the item; there are no paths then."""

    paths: tuple[Path, ...] = ()
    refusal: Reason | None = None


def judge(ways: Ways, facts: Facts) -> Verdict:
    """Returns the decision about one item of the record; refused on every path, for the last path's reason."""
    refused = ways.refusal
    for path in ways.paths:
        verdict = _judge_path(path, facts)
        if verdict.permitted:
            return verdict
        refused = verdict.reason
    if refused is None:
        raise ValueError("ways without paths say why")
    return Verdict(permitted=False, reason=refused)


def judge_record(ways: Ways) -> Verdict:
    """Returns the decision about a record as a whole: whether there may be anything in it that the requester sees."""
    whole = [path for path in ways.paths if not path.is_partial]
    open_path = next((path for path in whole if path.clause != NOTHING), None)
    if open_path:
        first = next(grant for grant in open_path.grants if grant.clause != NOTHING)
        return Verdict(permitted=True, reason=first.reason)
    reason = ways.refusal or (_closed_by(ways.paths[-1]) if ways.paths else None)
    if reason is None:
        raise ValueError("ways without paths say why")
    return Verdict(permitted=False, reason=reason)


def _judge_path(path: Path, facts: Facts) -> Verdict:
    refused = _first_refusal(path.before, facts)
    granted = next((grant.reason for grant in path.grants if matches(grant.clause, facts)), None)
    if refused or granted is None:
        return Verdict(permitted=False, reason=refused or path.otherwise)
    refused = _first_refusal(path.after, facts)
    return Verdict(permitted=refused is None, reason=refused or granted)


def _first_refusal(conditions: Iterable[Condition], facts: Facts) -> Reason | None:
    return next((rule.reason for rule in conditions if not matches(rule.clause, facts)), None)


def _closed_by(path: Path) -> Reason:
    """The first of its steps that nothing can pass."""
    for rule in path.before:
        if rule.clause == NOTHING:
            return rule.reason
    if some(grant.clause for grant in path.grants) == NOTHING:
        return path.otherwise
    return next((rule.reason for rule in path.after if rule.clause == NOTHING), path.otherwise)
