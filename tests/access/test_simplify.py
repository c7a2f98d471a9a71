"""A clause that is made simpler is true of the same, and asks once for what all alternatives ask for."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.access.simplify import simplify
from fhir_dmp.search.facts import Facts, Mark, Security
from fhir_dmp.search.match import matches
from fhir_dmp.search.query import And, Clause, ConfidentialUpTo, Everything, Marked, Not, Nothing, OfType, Or

SHOWN, OWN = Not(Marked("flag", ("several-patients",))), Marked("author", ("Practitioner/1",))
LOW, LOWER = ConfidentialUpTo(5), ConfidentialUpTo(4)

CASES: dict[str, tuple[Clause, Clause]] = {
    "what all alternatives ask for": (
        Or((And((OWN, SHOWN)), And((SHOWN, LOWER)))),
        And((SHOWN, Or((LOWER, OWN)))),
    ),
    "an alternative that asks for no more": (Or((And((SHOWN, LOWER)), SHOWN)), SHOWN),
    "two limits of confidentiality": (And((LOW, SHOWN, LOWER)), And((SHOWN, LOWER))),
    "a part that is asked for twice": (And((And((SHOWN, OWN)), SHOWN)), And((SHOWN, OWN))),
    "alternatives with nothing in common": (Or((SHOWN, OWN)), Or((SHOWN, OWN))),
    "what is inside a negation": (Not(Or((And((OWN, SHOWN)), SHOWN))), Marked("flag", ("several-patients",))),
}
MARKS = (Mark("flag", "several-patients"), Mark("author", "Practitioner/1"), Mark("label", "x|y"))
ITEMS = [
    Facts(kind, "1", 0, security=Security(tuple(marks), rank))
    for kind in ("Observation", "Patient")
    for count in range(len(MARKS) + 1)
    for marks in combinations(MARKS, count)
    for rank in (None, 3, 4, 5, 6)
]
PARTS: tuple[Clause, ...] = (
    SHOWN, OWN, LOW, LOWER, OfType(("Observation",)), OfType(("Patient", "List")), Marked("label", ("x|y", "x|z")),
    Everything(), Nothing(),
)  # fmt: skip


def combined(inner: st.SearchStrategy[Clause]) -> st.SearchStrategy[Clause]:
    several = st.lists(inner, max_size=3).map(tuple)
    return st.one_of(several.map(And), several.map(Or), inner.map(Not))


@pytest.mark.parametrize("name", CASES)
def test_a_clause_is_made_simpler(name: str) -> None:
    given_clause, simple = CASES[name]
    assert simplify(given_clause) == simple


@given(clause=st.recursive(st.sampled_from(PARTS), combined, max_leaves=16))
def test_what_is_simpler_is_true_of_the_same(clause: Clause) -> None:
    simple = simplify(clause)
    assert [matches(simple, item) for item in ITEMS] == [matches(clause, item) for item in ITEMS]
