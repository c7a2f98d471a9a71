"""What dates and times cover, in Europe/Paris where they have no zone."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.search.span import parse_span

PARIS = ZoneInfo("Europe/Paris")


def at(text: str) -> int:
    """Milliseconds of an instant."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2024", "2024-01-01T00:00+01:00", "2025-01-01T00:00+01:00"),
        ("2000-02", "2000-02-01T00:00+01:00", "2000-03-01T00:00+01:00"),
        ("2024-12", "2024-12-01T00:00+01:00", "2025-01-01T00:00+01:00"),
        ("2024-02-29", "2024-02-29T00:00+01:00", "2024-03-01T00:00+01:00"),
        ("2024-12-31", "2024-12-31T00:00+01:00", "2025-01-01T00:00+01:00"),
        ("2024-03-31", "2024-03-31T00:00+01:00", "2024-04-01T00:00+02:00"),
        ("2024-10-27", "2024-10-27T00:00+02:00", "2024-10-28T00:00+01:00"),
        ("2024-07-15T10:00", "2024-07-15T08:00+00:00", "2024-07-15T08:01+00:00"),
        ("2024-01-15T10:00", "2024-01-15T09:00+00:00", "2024-01-15T09:01+00:00"),
        ("2024-01-15T10:00Z", "2024-01-15T10:00+00:00", "2024-01-15T10:01+00:00"),
        ("2024-01-15T10:00:30-05:00", "2024-01-15T15:00:30+00:00", "2024-01-15T15:00:31+00:00"),
        ("2024-01-15T10:00:30.25Z", "2024-01-15T10:00:30.250+00:00", "2024-01-15T10:00:30.260+00:00"),
        ("2024-01-15T10:00:30.123456789Z", "2024-01-15T10:00:30.123+00:00", "2024-01-15T10:00:30.124+00:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00", "2017-01-01T00:00:01+00:00"),
        ("2024-01-15T00:30+14:00", "2024-01-14T10:30+00:00", "2024-01-14T10:31+00:00"),
    ],
)
def test_text_covers_the_span_of_the_table(text: str, low: str, high: str) -> None:
    assert parse_span(text, PARIS) == (at(low), at(high))


def test_the_calendar_ends_where_fhir_ends_it() -> None:
    days = parse_span("9999-12-31", PARIS)
    assert days is not None
    assert days[1] - days[0] == 86_400_000
    assert parse_span("9999", UTC) == (253_370_764_800_000, 253_402_300_800_000)
    assert parse_span("0001", UTC) == (-62_135_596_800_000, -62_104_060_800_000)


@pytest.mark.parametrize(
    "text",
    [
        "", "24", "0000", "2024-13", "2024-00", "2023-02-29", "2024-02-30", "2024-1-1", "20240101", "2024-01-15T10",
        "2024-01-15T24:00Z", "2024-01-15T10:60Z", "2024-01-15T10:00:61Z", "2024-01-15T10:00+02",
        "2024-01-15T10:00+14:01", "2024-01-15T10:00+02:60", "2024-01-15 10:00", "2024-01-15T10:00:00.Z",
        "2024-01-15T10:00z", " 2024", "2024-01-15\n", "٢٠٢٤", "2024-01-15Z", "now",
    ],
)  # fmt: skip
def test_what_is_no_date_covers_nothing(text: str) -> None:
    assert parse_span(text, PARIS) is None


@given(st.datetimes(min_value=datetime(1900, 1, 2), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001  # made local below
def test_a_moment_lies_in_its_second_minute_day_month_and_year(moment: datetime) -> None:
    local = moment.replace(tzinfo=UTC).astimezone(PARIS)
    offset = local.strftime("%z")
    if local.utcoffset().total_seconds() % 60:  # type: ignore[union-attr]  # it has an offset
        return
    zone = f"{offset[:3]}:{offset[3:5]}"
    instant = int(local.timestamp() * 1000 // 1)
    outer = None
    for form in ("%Y", "%Y-%m", "%Y-%m-%d", f"%Y-%m-%dT%H:%M{zone}", f"%Y-%m-%dT%H:%M:%S{zone}"):
        span = parse_span(local.strftime(form), PARIS)
        assert span is not None
        assert span[0] <= instant < span[1]
        assert outer is None or (outer[0] <= span[0] and span[1] <= outer[1])
        outer = span


@given(st.text())
def test_whatever_the_text_nothing_is_raised(text: str) -> None:
    span = parse_span(text, PARIS)
    assert span is None or span[0] < span[1]
