"""French civil time: the offset is that of the time zone database."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.generation.paris import add_months, age_at, write_day, write_instant

PARIS = ZoneInfo("Europe/Paris")


@given(st.dates(date(1996, 1, 1), date(2037, 12, 31)), st.integers(6 * 60, 20 * 60))
def test_instant_in_daylight_is_that_of_the_time_zone_database(day: date, minute: int) -> None:
    moment = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=PARIS)
    assert write_instant(day, minute) == moment.isoformat()


@pytest.mark.parametrize(
    ("day", "months", "result"),
    [
        (date(2024, 1, 31), 1, date(2024, 2, 28)),
        (date(2024, 11, 22), -24, date(2022, 11, 22)),
        (date(2024, 12, 1), 1, date(2025, 1, 1)),
    ],
)
def test_months_are_added(day: date, months: int, result: date) -> None:
    assert add_months(day, months) == result


def test_age_counts_full_years() -> None:
    birth = date(2000, 6, 15)
    assert [age_at(birth, day) for day in (date(2018, 6, 14), date(2018, 6, 15))] == [17, 18]


def test_day_is_written_in_french() -> None:
    assert [write_day(date(2026, 8, 1)), write_day(date(2026, 2, 22))] == ["1er août 2026", "22 février 2026"]
