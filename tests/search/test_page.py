"""Cursors are good for one query of one requester, and cannot be made by anyone else."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer

from fhir_dmp.outcome import Category, FhirError
from fhir_dmp.search.page import CURSOR, Cursors
from fhir_dmp.search.query import SortKey

CURSORS = Cursors(b"secret")
KEYS = st.lists(st.one_of(st.none(), st.integers(), st.text(), st.decimals(allow_nan=False)))


@given(KEYS, st.text())
def test_keys_pass_through_a_cursor(keys: list[SortKey], bound_to: str) -> None:
    assert CURSORS.read(CURSORS.write(keys, bound_to), bound_to) == keys


@given(KEYS)
def test_a_cursor_stands_in_a_url_as_it_is(keys: list[SortKey]) -> None:
    assert set(CURSORS.write(keys, "a")) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def refusal(text: str, bound_to: str = "a") -> FhirError:
    with pytest.raises(FhirError) as refused:
        CURSORS.read(text, bound_to)
    return refused.value


def test_a_cursor_of_another_query_is_refused() -> None:
    fault = refusal(CURSORS.write([1, "Patient/1"], "a"), "b")
    assert fault.category is Category.INVALID_PARAMETER
    assert fault.issues[0].expression == f"http.{CURSOR}"


def test_a_cursor_signed_with_another_secret_is_refused() -> None:
    refusal(Cursors(b"other").write([1, "Patient/1"], "a"))
    refusal(str(URLSafeSerializer(b"secret").dumps([1, "Patient/1"])))


@given(st.data())
def test_an_altered_cursor_is_refused(data: st.DataObject) -> None:
    text = CURSORS.write([Decimal("1.5"), "Patient/1"], "a")
    place = data.draw(st.integers(0, len(text) - 2))
    other = data.draw(st.characters(codec="ascii", exclude_characters=text[place]))
    refusal(text[:place] + other + text[place + 1 :])


@given(st.text())
def test_whatever_is_no_cursor_is_refused(text: str) -> None:
    refusal(text)


def test_a_cursor_beyond_all_bounds_is_refused() -> None:
    refusal("a" * 100_000)
