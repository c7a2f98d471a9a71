"""Whether a resource may hold a content is known without a walk by its expressions, and never wrongly denied."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.interactions.content_safety import find_contents, may_hold_contents

_NAMES = st.sampled_from(["data", "contentType", "title", "origin", "photo", "extension"])
_VALUES = st.recursive(
    st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(_NAMES, _VALUES, max_size=3))
def test_where_nothing_may_be_a_content_none_is_found(resource: dict[str, Any]) -> None:
    assert may_hold_contents(resource) or not list(find_contents(resource, "Patient"))


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ({"resourceType": "Patient", "photo": [{"contentType": "image/png"}]}, True),
        ({"resourceType": "Binary", "data": "QQ=="}, True),
        ({"resourceType": "Patient", "name": [{"family": "data"}]}, False),
    ],
)
def test_it_is_told_by_the_properties_that_contents_have(resource: dict[str, Any], *, expected: bool) -> None:
    assert may_hold_contents(resource) is expected


def test_data_that_are_no_text_are_no_content() -> None:
    named = {"data": [{"meaning": "instance", "reference": {"reference": "DocumentReference/1"}}]}
    assert not list(find_contents({"resourceType": "Consent", "provision": named}, "Consent"))
