"""Matricules INS: the vectors of tests/cases/record/numbers.yaml, and every number with its key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.ins.matricule import matricule_key, parse_matricule
from tests.record.numbers import NUMBERS

NUMBER = st.from_regex(r"[1-8][0-9]{2}(0[1-9]|1[0-2]|[2-9][0-9])([0-9]{2}|2A|2B)[0-9]{6}", fullmatch=True)


@pytest.mark.parametrize(("number", "key"), NUMBERS["keys"])
def test_key_is_that_of_the_vector(number: str, key: str) -> None:
    assert matricule_key(number) == key
    found = parse_matricule(number + key)
    assert found is not None
    assert found.is_right
    assert (found.number, found.key) == (number, key)


@pytest.mark.parametrize("text", NUMBERS["not_matricules"])
def test_what_has_not_the_form_is_no_matricule(text: str) -> None:
    assert parse_matricule(text) is None


@given(number=NUMBER, place=st.integers(0, 12), digit=st.sampled_from("0123456789"))
def test_one_wrong_digit_is_told_by_the_key(number: str, place: int, digit: str) -> None:
    whole = number + matricule_key(number)
    found = parse_matricule(whole)
    assert found is not None
    assert found.is_right
    wrong = whole[:place] + digit + whole[place + 1 :]
    other = parse_matricule(wrong)
    assert wrong == whole or other is None or not other.is_right


@given(st.text(max_size=20))
def test_any_text_is_a_matricule_or_none(text: str) -> None:
    found = parse_matricule(text)
    assert found is None or (found.number + found.key == text and 0 <= found.month <= 12)


def test_sex_and_month_are_told_where_the_number_says_them() -> None:
    known, unknown = parse_matricule("255081416802538"), parse_matricule("355331416802538")
    assert known is not None
    assert unknown is not None
    assert (known.sex, known.year, known.month) == ("female", 55, 8)
    assert (unknown.sex, unknown.year, unknown.month) == ("", 55, 0)
