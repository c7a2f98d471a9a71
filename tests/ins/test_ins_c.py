"""INS-C: the vectors of tests/cases/record/numbers.yaml."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.ins.ins_c import compute_ins_c, is_ins_c, normalise_given
from tests.record.numbers import NUMBERS


@pytest.mark.parametrize(("name", "birth", "number", "expected"), NUMBERS["ins_c"])
def test_number_is_that_of_the_vector(name: str, birth: str, number: str, expected: str) -> None:
    assert compute_ins_c(name, date.fromisoformat(birth), number) == expected
    assert is_ins_c(expected)


@pytest.mark.parametrize(("written", "hashed"), NUMBERS["given_names"])
def test_given_name_is_hashed_in_plain_capitals(written: str, hashed: str) -> None:
    assert normalise_given(written) == hashed


@given(name=st.text(max_size=30), birth=st.dates(), number=st.from_regex(r"[12][0-9]{12}", fullmatch=True))
def test_any_name_and_date_make_22_digits_with_their_key(name: str, birth: date, number: str) -> None:
    assert is_ins_c(compute_ins_c(name, birth, number))


@pytest.mark.parametrize("text", ["", "1541187387477485562489", "154118738747748556248", "154118738747748556248x"])
def test_anything_else_is_none(text: str) -> None:
    assert not is_ins_c(text)
