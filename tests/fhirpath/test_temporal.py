"""Dates and times of any precision: what is read, and what their order is."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.fhirpath.duration import add_duration
from fhir_dmp.fhirpath.quantity import Quantity
from fhir_dmp.fhirpath.temporal import (
    Temporal,
    TemporalKind,
    compare_temporal,
    days_in_month,
    from_datetime,
    parse_temporal,
    temporal_key,
)
from fhir_dmp.json_text import FhirDecimal


def _read(text: str, kind: TemporalKind = "DateTime") -> Temporal:
    value = parse_temporal(text, kind)
    assert value is not None
    return value


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("2020-02-30", "Date"),
        ("2020-13", "Date"),
        ("20", "Date"),
        ("2020-1-1", "Date"),
        ("0000", "Date"),
        ("2020T10:00", "Time"),
        ("24:00", "Time"),
        ("10:61", "Time"),
        ("10:00Z", "Time"),
        ("2020-01-01T10:00", "Date"),
        ("2020-01-01T", "Date"),
        ("2020-01-01T10:00+1", "DateTime"),
        ("2020-01-01 10:00", "DateTime"),
        ("", "DateTime"),
    ],
)
def test_what_is_no_moment_is_not_read(text: str, kind: TemporalKind) -> None:
    assert parse_temporal(text, kind) is None


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("2020", "2021", -1),
        ("2020", "2020", 0),
        ("2020", "2020-01", None),
        ("2020-02", "2020-01-31", 1),
        ("2020-01-01T10:00:00", "2020-01-01T10:00:00.000", 0),
        ("2020-01-01T10:00", "2020-01-01T10:00:00", None),
        ("2020-01-01T10:00:00Z", "2020-01-01T11:00:00+01:00", 0),
        ("2020-01-01T23:30:00-02:00", "2020-01-02T01:30:00Z", 0),
        ("2020-01-01T10:00Z", "2020-01-01T10:00:00Z", None),
        ("2020-01-01", "2020-01-01T10:00:00Z", None),
        ("2020-01-01T10:00:00", "2020-01-02T23:00:00Z", -1),
        ("2020-01-01T10:00:00", "2020-01-01T20:00:00Z", None),
        ("2020-01-02T23:00:00Z", "2020-01-01T10:00:00", 1),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", 0),
    ],
)
def test_order(left: str, right: str, expected: int | None) -> None:
    assert compare_temporal(_read(left), _read(right)) == expected
    opposite = compare_temporal(_read(right), _read(left))
    assert opposite == (None if expected is None else -expected)


def test_a_time_does_not_compare_with_a_date() -> None:
    with pytest.raises(TypeError):
        compare_temporal(_read("10:00", "Time"), _read("2020"))


def test_months_have_their_days() -> None:
    assert [days_in_month(2023, month) for month in range(1, 13)] == [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    assert [days_in_month(year, 2) for year in (1900, 2000, 2023, 2024)] == [28, 29, 28, 29]


ZONES = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1), timezones=ZONES)  # noqa: DTZ001


@given(MOMENTS, MOMENTS)
def test_moments_with_an_offset_compare_as_instants(left: datetime, right: datetime) -> None:
    left, right = (moment.replace(microsecond=0) for moment in (left, right))
    expected = (left > right) - (left < right)
    one, other = from_datetime(left, "DateTime"), from_datetime(right, "DateTime")
    assert compare_temporal(one, other) == expected
    assert (temporal_key(one) == temporal_key(other)) == (expected == 0)


@given(MOMENTS, st.integers(-10_000, 10_000), st.sampled_from(["day", "hour", "minute", "second"]))
def test_durations_are_added_like_python_adds_them(moment: datetime, number: int, unit: str) -> None:
    moment = moment.replace(microsecond=0)
    added = add_duration(from_datetime(moment, "DateTime"), Quantity(FhirDecimal(str(number)), unit, calendar=True), 1)
    assert added == from_datetime(moment + timedelta(**{unit + "s": number}), "DateTime")


@given(st.dates(), st.integers(0, 2000))
def test_months_are_added_to_the_same_day_or_the_last(start: datetime, months: int) -> None:
    day = _read(start.isoformat(), "Date")
    added = add_duration(day, Quantity(FhirDecimal(str(months)), "month", calendar=True), 1)
    index = start.year * 12 + start.month - 1 + months
    if index // 12 > 9999:
        assert added is None
    else:
        expected = min(start.day, days_in_month(index // 12, index % 12 + 1))
        assert added is not None
        assert added.parts == (index // 12, index % 12 + 1, expected)
