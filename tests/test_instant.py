"""Instants: milliseconds to FHIR and HTTP texts, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.instant import parse_http_date, parse_instant, write_http_date, write_instant
from fhir_dmp.outcome import FhirError

instants = st.integers(0, 4_000_000_000_000)


@given(instants)
def test_written_instant_is_read_back(at: int) -> None:
    assert parse_instant(write_instant(at), "_since") == at


@given(instants)
def test_http_date_is_the_instant_without_its_milliseconds(at: int) -> None:
    assert parse_http_date(write_http_date(at)) == at // 1000 * 1000


def test_instant_has_the_form_of_fhir() -> None:
    assert write_instant(1_700_000_000_007) == "2023-11-14T22:13:20.007Z"
    assert write_http_date(1_700_000_000_007) == "Tue, 14 Nov 2023 22:13:20 GMT"


@pytest.mark.parametrize("text", ["2024-01-01", "2024-01-01T10:00:00", "yesterday", "", "2024-02-30T00:00:00Z"])
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(FhirError, match="_since takes an instant"):
        parse_instant(text, "_since")


def test_space_stands_for_the_plus_that_urls_swallow() -> None:
    assert parse_instant("2024-01-01T10:00:00 02:00", "_since") == parse_instant("2024-01-01T08:00:00Z", "_since")


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999-14:00", "9999-12-31T23:59:59.999Z"),
    ],
)
def test_an_instant_whose_year_in_utc_has_no_four_digits_is_the_first_or_last_that_has(text: str, end: str) -> None:
    at = parse_instant(text, "_since")
    assert at == parse_instant(end, "_since")
    assert write_http_date(at)


@pytest.mark.parametrize("text", ["", "Mon, 99 Jan 2024 00:00:00 GMT", "2024-01-01"])
def test_other_http_dates_are_ignored(text: str) -> None:
    assert parse_http_date(text) is None
