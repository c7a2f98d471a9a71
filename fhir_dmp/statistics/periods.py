"""Whole months and weeks: what is told is always of one of them, and of none that is not over."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

_DAY = timedelta(days=1)
_LONGEST_MONTH = timedelta(days=31)


class Period(NamedTuple):
    """The days from `first` on, before `after`; none where they are the same."""

    first: date
    after: date


def month_of(day: date) -> date:
    """Returns the first day of the month of a day."""
    return day.replace(day=1)


def week_of(day: date) -> date:
    """Returns the Monday of the week of a day."""
    return day - day.weekday() * _DAY


def whole_months(first: date, last: date, today: date) -> Period:
    """Returns the months that are whole between two days, both included, and over."""
    start = month_of(first if first.day == 1 else month_of(first) + _LONGEST_MONTH)
    return Period(start, max(start, month_of(min(last + _DAY, today))))


def whole_weeks(first: date, last: date, today: date) -> Period:
    """Returns the weeks that are whole between two days, both included, and over."""
    start = week_of(first + 6 * _DAY)
    return Period(start, max(start, week_of(min(last + _DAY, today))))


def months_in(period: Period) -> list[date]:
    """Returns the first days of the months of a period that is made of such."""
    found, day = [], period.first
    while day < period.after:
        found.append(day)
        day = month_of(day + _LONGEST_MONTH)
    return found


def weeks_in(period: Period) -> list[date]:
    """Returns the Mondays of the weeks of a period that is made of such."""
    return [period.first + timedelta(weeks=place) for place in range((period.after - period.first).days // 7)]


def a_year_before(today: date) -> date:
    """Returns the first day of the month that was a year ago."""
    return date(today.year - 1, today.month, 1)
