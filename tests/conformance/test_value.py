"""Fixed values and patterns: the quick answer and the explanation agree, and the explanation reads well."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.conformance.value import explain_difference, matches

VALUES = st.recursive(
    st.booleans() | st.integers(0, 2) | st.sampled_from(["a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "y"]), inner, max_size=2),
    max_leaves=6,
)


@given(VALUES, VALUES, st.booleans())
def test_the_answer_agrees_with_the_explanation(value: object, expected: object, exact: bool) -> None:
    assert matches(value, expected, exact=exact) == (not explain_difference(value, expected, exact=exact))


@given(VALUES)
def test_every_value_is_itself_and_contains_itself(value: object) -> None:
    assert matches(value, value, exact=True)
    assert matches(value, value, exact=False)


@pytest.mark.parametrize(
    ("value", "expected", "exact", "explanation"),
    [
        ("a", "b", True, "expected 'b', found 'a'"),
        ({"code": "a"}, {"code": "b"}, True, "code: expected 'b', found 'a'"),
        ({"code": "a"}, {"system": "s"}, False, "system: expected 's', found nothing"),
        ({"code": "a", "display": "x"}, {"code": "a"}, True, "'display' is not part of it"),
        ({"coding": [{}, {}]}, {"coding": [{}]}, True, "coding: expected 1 items, found 2"),
        ({"coding": [{"code": "a"}]}, {"coding": [{"code": "b"}]}, False, "coding.code: expected 'b', found 'a'"),
        (1, True, True, "expected true, found 1"),
        ("a", "a", True, ""),
    ],
)
def test_the_first_difference_is_explained(value: object, expected: object, exact: bool, explanation: str) -> None:
    assert explain_difference(value, expected, exact=exact) == explanation
