"""Recurring values: what is asked for again stays, and no more is kept than said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.recurring import Recurring


def test_what_was_kept_is_found_and_nothing_else() -> None:
    kept: Recurring[str, int] = Recurring()
    kept.keep("a", 1)
    assert kept.find("a") == 1
    assert kept.find("b") is None


def test_what_is_found_again_outlives_what_is_not() -> None:
    kept: Recurring[str, int] = Recurring(most=2)
    kept.keep("asked for", 1)
    kept.keep("forgotten", 2)
    for number in range(10):
        kept.keep(str(number), number)
        assert kept.find("asked for") == 1
    assert kept.find("forgotten") is None


def test_nothing_is_left_once_it_is_cleared() -> None:
    kept: Recurring[str, int] = Recurring(most=1)
    for key in "ab":
        kept.keep(key, 1)
    kept.clear()
    assert kept.find("a") is kept.find("b") is None


@given(st.lists(st.integers(0, 40)), st.integers(1, 8))
def test_twice_as_much_as_said_is_kept_at_most(keys: list[int], most: int) -> None:
    kept: Recurring[int, str] = Recurring(most)
    for key in keys:
        found = kept.find(key)
        assert found in {None, str(key)}
        if found is None:
            kept.keep(key, str(key))
    assert sum(kept.find(key) is not None for key in range(41)) <= 2 * most
