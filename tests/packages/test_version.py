"""The order of versions, and which of them a pattern means."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.packages.version import is_match, newest_match, version_key

IN_ORDER = [
    "", "dev", "0.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1",
    "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0-ballot", "2.0.0", "10.0.0", "2022.4.20221006", "20240101",
]  # fmt: skip
TEXTS = st.text("0123456789.+-abx٣", max_size=12) | st.integers(0, 10**5000).map(lambda number: "9" * (number % 5000))


def test_versions_have_the_order_of_semver_and_not_of_text() -> None:
    for older, newer in pairwise(IN_ORDER):
        assert version_key(older) < version_key(newer), (older, newer)


@pytest.mark.parametrize(("left", "right"), [("1.0.0", "v1.0.0"), ("1.0.0", "1.0.0+build"), ("01.0.0", "1.0.0")])
def test_versions_that_differ_in_name_only_are_equal(left: str, right: str) -> None:
    assert version_key(left) == version_key(right)


@given(TEXTS, TEXTS)
def test_any_two_texts_can_be_compared(left: str, right: str) -> None:
    keys = version_key(left), version_key(right)
    assert (keys[0] < keys[1]) + (keys[0] > keys[1]) + (keys[0] == keys[1]) == 1


@pytest.mark.parametrize(
    ("pattern", "version", "expected"),
    [
        ("2.1.0", "2.1.0", True),
        ("2.1", "2.1.0", True),
        ("2.1.x", "2.1.7", True),
        ("2.x", "2.1.7", True),
        ("x", "2.1.7", True),
        ("latest", "2.1.7", True),
        ("2.1.x", "2.10.0", False),
        ("2.1", "2.10.0", False),
        ("2.1.0", "2.1", False),
    ],
)
def test_a_pattern_means_the_versions_that_it_begins(pattern: str, version: str, expected: bool) -> None:
    assert is_match(pattern, version) is expected


def test_the_newest_of_those_meant_is_taken_and_the_very_one_before() -> None:
    assert newest_match("2.1.x", ["2.1.9", "2.1.10", "2.2.0"]) == "2.1.10"
    assert newest_match("2.1", ["2.1", "2.1.1"]) == "2.1"
    assert newest_match("2.1.x", ["2.1.0", "2.1.1-ballot"]) == "2.1.0"
    assert newest_match("2.1.x", ["2.1.1-ballot"]) == "2.1.1-ballot"
    assert newest_match("3.x", ["2.1"]) is None
