"""Are two identities one person: tests/cases/record/comparisons.yaml."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.record.comparison import Grade, compare
from fhir_dmp.record.traits import Traits, read_traits
from tests.record.numbers import CASES, build_identity

Json = Any
COMPARISONS = yaml.safe_load((CASES / "comparisons.yaml").read_text(encoding="utf8"))

WORDS = st.frozensets(st.sampled_from(["martin", "lefebvre", "jeanne", "louise"]), max_size=2)
TRAITS = st.builds(
    Traits,
    matricules=st.frozensets(st.sampled_from(["a|1", "a|2", "b|1"]), max_size=1),
    families=WORDS,
    givens=WORDS,
    birth=st.sampled_from(["", "1955", "1955-08", "1955-08-12", "1955-08-13"]),
    sex=st.sampled_from(["", "male", "female"]),
    place=st.sampled_from(["", "80021", "76540"]),
)


@pytest.mark.parametrize("case", COMPARISONS, ids=lambda case: case["name"])
def test_grade_of_two_identities(case: Json) -> None:
    one, other = (read_traits(build_identity(**case.get(side, {}))) for side in ("one", "other"))
    found = compare(one, other)
    assert (found.grade.value, found.is_contradictory) == (case["grade"], case.get("contradictory", False))


@given(TRAITS, TRAITS)
def test_order_does_not_matter_and_grade_follows_score(one: Traits, other: Traits) -> None:
    found = compare(one, other)
    assert found == compare(other, one)
    assert 0 <= found.score <= 1
    assert found.grade is not Grade.CERTAIN or one.matricules & other.matricules


@given(TRAITS)
def test_nobody_without_a_matricule_is_certainly_himself(traits: Traits) -> None:
    assert (compare(traits, traits).grade is Grade.CERTAIN) == bool(traits.matricules)
