"""Sets of codes whose answers may be unknown, and their algebra: what a value set's compose is made of.

Codes that can be listed have their answer in a dict; all others share one answer, or a rule (a grammar) decides them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from types import MappingProxyType

from fhir_dmp.terminology.membership import NO, YES, Member, Membership, both, either, negate

Decide = Callable[[str], Membership]
Operator = Callable[[Membership, Membership], Membership]


@dataclass(frozen=True, slots=True)
class Rule:
    """Decides codes that are not listed. `beyond` is the answer to whether there are no others: unknown, or no."""

    decide: Decide
    beyond: Membership


@dataclass(frozen=True, slots=True)
class Codes:
    """Some codes of one code system. Keys are small letters where it takes no notice of case (`folded`)."""

    listed: Mapping[str, Membership] = field(default_factory=lambda: MappingProxyType({}))
    rest: Membership | Rule = NO
    folded: bool = False

    def decide(self, code: str) -> Membership:
        """Tells whether a code is one of these."""
        return self.decide_key(code.casefold() if self.folded else code)

    def decide_key(self, key: str) -> Membership:
        """Tells it of a key."""
        found = self.listed.get(key)
        if found is not None:
            return found
        rest = self.rest
        return rest if type(rest) is Membership else rest.decide(key)

    @property
    def beyond(self) -> Membership:
        """NO where no code but those listed can be a member, else why there may be others."""
        return self.rest.beyond if isinstance(self.rest, Rule) else self.rest


NOTHING = Codes()
_SEVERAL = 2
_NEUTRAL: Mapping[Operator, Membership] = {either: NO, both: YES}


@dataclass(frozen=True, slots=True)
class Selection:
    """The codes of a value set by code system; `others` answers for the systems that are not named."""

    systems: Mapping[str, Codes]
    others: Codes = NOTHING

    def codes(self, system: str) -> Codes:
        """Returns the codes of one system."""
        return self.systems.get(system, self.others)

    def infer(self, code: str) -> Membership:
        """Answers for a code without its system, as elements of type `code` have it."""
        found = self.others.decide(code)
        for codes in self.systems.values():
            answer = codes.decide(code)
            if answer.member is Member.YES:
                return answer
            found = either(answer, found)
        return found


def select_nothing_known(reason: Membership) -> Selection:
    """Builds the selection of a value set of which nothing is known."""
    return Selection({}, Codes(rest=reason))


def combine(operator: Operator, parts: Sequence[Codes]) -> Codes:
    """Applies an operator code by code. An operand that stands there twice counts once."""
    distinct = list({id(part): part for part in parts}.values())
    neutral = _NEUTRAL.get(operator)
    distinct = [part for part in distinct if part.listed or part.rest is not neutral] or distinct[:1]
    if operator is either:
        distinct = _merge_finite(distinct)
    if len(distinct) == 1:
        return distinct[0]
    rest = reduce(lambda left, right: _combine_rest(operator, left, right), (part.rest for part in distinct))
    return Codes(_combine_listed(operator, distinct, rest), rest, any(part.folded for part in distinct))


def _merge_finite(parts: list[Codes]) -> list[Codes]:
    """Joins the parts that are mere lists to one, in one pass: value sets may have thousands of includes."""
    finite = [part for part in parts if part.rest is NO]
    if len(finite) < _SEVERAL:
        return parts
    merged: dict[str, Membership] = {}
    for part in finite:
        for key, answer in part.listed.items():
            merged[key] = either(merged.get(key, NO), answer)
    return [Codes(merged, folded=any(part.folded for part in finite)), *(part for part in parts if part.rest is not NO)]


def _combine_listed(operator: Operator, parts: Sequence[Codes], rest: Membership | Rule) -> dict[str, Membership]:
    listed: dict[str, Membership] = {}
    needless = rest.member if isinstance(rest, Membership) and rest.member is Member.NO else None
    for key in dict.fromkeys(key for part in parts for key in part.listed):
        answer = reduce(operator, (part.decide_key(key) for part in parts))
        if answer.member is not needless:
            listed[key] = answer
    return listed


def _combine_rest(operator: Operator, left: Membership | Rule, right: Membership | Rule) -> Membership | Rule:
    if isinstance(left, Membership) and isinstance(right, Membership):
        return operator(left, right)
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Membership) and one.member is Member.NO and operator in {both, either}:
            return one if operator is both else other
    first, second = _as_rule(left), _as_rule(right)
    return Rule(lambda key: operator(first.decide(key), second.decide(key)), operator(first.beyond, second.beyond))


def _as_rule(rest: Membership | Rule) -> Rule:
    return rest if isinstance(rest, Rule) else Rule(lambda _: rest, rest)


def restrict(codes: Codes, predicate: Decide) -> Codes:
    """Returns those codes for which the predicate holds too."""
    return combine(both, [codes, Codes(rest=Rule(predicate, codes.beyond), folded=codes.folded)])


def complement(codes: Codes) -> Codes:
    """Returns all codes but these."""
    listed = {key: negate(answer) for key, answer in codes.listed.items()}
    rest = codes.rest
    if isinstance(rest, Membership):
        return Codes(listed, negate(rest), codes.folded)
    decide = rest.decide
    return Codes(listed, Rule(lambda key: negate(decide(key)), rest.beyond), codes.folded)


def combine_selections(operator: Operator, parts: Sequence[Selection]) -> Selection:
    """Applies an operator system by system."""
    if len(parts) == 1:
        return parts[0]
    others = combine(operator, [part.others for part in parts])
    named: dict[str, dict[int, Codes]] = {}
    for place, part in enumerate(parts):
        for name, codes in part.systems.items():
            named.setdefault(name, {})[place] = codes
    rests = _group_by_rest(parts)
    combined = ((name, combine(operator, _operands(rows, rests))) for name, rows in named.items())
    return Selection({name: codes for name, codes in combined if codes != others}, others)


def _group_by_rest(parts: Sequence[Selection]) -> list[tuple[Codes, list[int]]]:
    groups: dict[int, tuple[Codes, list[int]]] = {}
    for place, part in enumerate(parts):
        groups.setdefault(id(part.others), (part.others, []))[1].append(place)
    return [*groups.values()]


def _operands(rows: dict[int, Codes], rests: list[tuple[Codes, list[int]]]) -> list[Codes]:
    """What each part says of one system, in the order of the parts; equal answers for unnamed systems once."""
    found = dict(rows)
    for others, places in rests:
        first = next((place for place in places if place not in rows), None)
        if first is not None:
            found[first] = others
    return [found[place] for place in sorted(found)]


def subtract(left: Selection, right: Sequence[Selection]) -> Selection:
    """Returns the codes of a selection that are in none of the others."""
    if not right:
        return left
    part = combine_selections(either, right)
    systems = {name: complement(codes) for name, codes in part.systems.items()}
    return combine_selections(both, [left, Selection(systems, complement(part.others))])
