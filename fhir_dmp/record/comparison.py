"""Are two identities one person: a grade of http://terminology.hl7.org/CodeSystem/match-grade and why.

A matricule INS decides where both have one of the same kind. Else the traits are weighed: names as they are compared in
searches, the birth date as far as both state it. Nothing is ever merged because of a grade.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from fhir_dmp.record.traits import Traits


class Grade(Enum):
    """Codes of http://terminology.hl7.org/CodeSystem/match-grade, the surest first."""

    CERTAIN = "certain"
    PROBABLE = "probable"
    POSSIBLE = "possible"
    NONE = "certainly-not"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`score` is from 0 to 1; `is_contradictory` where one matricule stands with traits that differ."""

    grade: Grade
    score: float
    is_contradictory: bool = False


_WEIGHTS = {"family": 35, "birth": 30, "given": 20, "place": 10, "sex": 5}
_UNKNOWN = 0.5
"""What a trait counts that one of both does not state."""
_DIFFERENT = 0.0
_SAME = 1.0
_PROBABLE = 85
_POSSIBLE = 70
_DECISIVE = ("family", "birth")
_SURE, _WRONG = 1.0, 0.0


def compare(one: Traits, other: Traits) -> Comparison:
    """Returns how likely two identities are of one person; the order of the two does not matter."""
    likeness = _compare_traits(one, other)
    score = sum(_WEIGHTS[trait] * likeness[trait] for trait in _WEIGHTS)
    if not one.matricules.isdisjoint(other.matricules):
        differs = any(likeness[trait] == _DIFFERENT for trait in _DECISIVE)
        return (
            Comparison(Grade.PROBABLE, _PROBABLE / 100, is_contradictory=True)
            if differs
            else Comparison(Grade.CERTAIN, _SURE)
        )
    if _have_different_numbers(one, other):
        return Comparison(Grade.NONE, _WRONG)
    if not one.computed.isdisjoint(other.computed):
        score = max(score, _PROBABLE)
    if any(likeness[trait] == _DIFFERENT for trait in _DECISIVE) and score < _PROBABLE:
        return Comparison(Grade.NONE, score / 100)
    return Comparison(_grade(score), score / 100)


def _grade(score: float) -> Grade:
    if score >= _PROBABLE:
        return Grade.PROBABLE
    return Grade.POSSIBLE if score >= _POSSIBLE else Grade.NONE


def _have_different_numbers(one: Traits, other: Traits) -> bool:
    """Two matricules of one kind are two persons; an INS-NIA beside an INS-NIR may be the same one's."""
    systems = {number.partition("|")[0] for number in one.matricules}
    return not systems.isdisjoint(number.partition("|")[0] for number in other.matricules)


def _compare_traits(one: Traits, other: Traits) -> dict[str, float]:
    return {
        "family": _likeness(one.families, other.families),
        "given": _likeness(one.givens, other.givens),
        "birth": _compare_births(one.birth, other.birth),
        "place": _likeness(frozenset({one.place}) - {""}, frozenset({other.place}) - {""}),
        "sex": _likeness(frozenset({one.sex}) - {""}, frozenset({other.sex}) - {""}),
    }


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    if not one or not other:
        return _UNKNOWN
    return _DIFFERENT if one.isdisjoint(other) else _SAME


def _compare_births(one: str, other: str) -> float:
    """Dates of different precision agree as far as they go, which proves less."""
    if not one or not other:
        return _UNKNOWN
    if one == other:
        return _SAME
    shorter, longer = sorted((one, other), key=len)
    return _UNKNOWN if longer.startswith(f"{shorter}-") else _DIFFERENT
