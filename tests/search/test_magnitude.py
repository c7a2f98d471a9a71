"""Numbers with the precision they are written in."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.json_text import FhirDecimal
from fhir_dmp.search.magnitude import INFINITY, hold, hold_json, just_above, just_below, parse_number, span_of


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("100", "99.5", "100.5"),
        ("100.00", "99.995", "100.005"),
        ("1e2", "95", "105"),
        ("1.0e2", "95", "105"),
        ("5.4", "5.35", "5.45"),
        ("5.40e-3", "0.005395", "0.005405"),
        ("0", "-0.5", "0.5"),
        ("-2.5", "-2.55", "-2.45"),
        ("0002", "1.5", "2.5"),
        ("+2", "1.5", "2.5"),
    ],
)
def test_number_covers_half_a_unit_of_its_last_digit(text: str, low: str, high: str) -> None:
    number = parse_number(text)
    assert number is not None
    assert span_of(*number) == (Decimal(low), Decimal(high))


@pytest.mark.parametrize(
    "text", ["", "abc", "1,5", ".5", "5.", "1e", "NaN", "Infinity", "0x1", "1 ", "1e99999", "1e6001", "9" * 65, "٣"]
)
def test_what_is_no_number_is_refused(text: str) -> None:
    assert parse_number(text) is None


@pytest.mark.parametrize(
    ("value", "held"),
    [
        (5, "5"),
        (FhirDecimal("1.00"), "1.00"),
        (0.1, "0.1"),
        (FhirDecimal("1E+9999"), "Infinity"),
        (FhirDecimal("-1E+9999"), "-Infinity"),
        (FhirDecimal("0.12345678901234567890123456789012345"), "0.1234567890123456789012345678901234"),
        (True, None),
        ("5", None),
        (None, None),
        ({}, None),
    ],
)
def test_json_numbers_are_held_to_34_digits(value: object, held: str | None) -> None:
    assert hold_json(value) == (None if held is None else Decimal(held))


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_nothing_is_held_between_a_number_and_its_neighbours(number: Decimal) -> None:
    held = hold(number)
    assert just_below(held) < held < just_above(held)
    assert just_above(just_below(held)) == held


@given(st.from_regex(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?", fullmatch=True))
def test_a_number_lies_in_its_own_span(text: str) -> None:
    number = parse_number(text)
    assert number is not None
    low, high = span_of(*number)
    assert -INFINITY < low <= hold(number[0]) <= high < INFINITY
