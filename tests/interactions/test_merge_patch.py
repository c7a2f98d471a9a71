"""JSON Merge Patch: the examples of RFC 7396, appendix A, whose patch is an object."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.interactions.merge_patch import apply_merge

CASES = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]
JSON = st.recursive(
    st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


@pytest.mark.parametrize(("target", "patch", "result"), CASES)
def test_merge_is_that_of_the_rfc(target: Any, patch: Any, result: Any) -> None:
    assert apply_merge(target, patch) == result


@given(st.dictionaries(st.text(), JSON), st.dictionaries(st.text(), JSON))
def test_patch_without_nulls_is_in_what_it_makes(target: dict[str, Any], patch: dict[str, Any]) -> None:
    merged = apply_merge(target, patch)
    assert merged.keys() == target.keys() | patch.keys()
    assert apply_merge(merged, patch) == merged
