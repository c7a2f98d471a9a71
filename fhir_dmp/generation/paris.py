"""French civil time without a time zone database: the rule of the European Union since 1996.

Summer time runs from the last Sunday of March to the last Sunday of October, at one o'clock UTC
(directive 2000/84/EC). Times are written as FHIR's instants: https://hl7.org/fhir/R4/datatypes.html#instant
"""

from __future__ import annotations

from datetime import date, timedelta

_MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin",
    "juillet", "août", "septembre", "octobre", "novembre", "décembre",
)  # fmt: skip
_SUNDAY = 7


def write_instant(day: date, minute: int) -> str:
    """Returns the minute of a day (0 to 1439) as an instant with its offset; taken in daylight, not at the change."""
    offset = "+02:00" if _last_sunday(day.year, 3) <= day < _last_sunday(day.year, 10) else "+01:00"
    return f"{day.isoformat()}T{minute // 60:02d}:{minute % 60:02d}:00{offset}"


def write_day(day: date) -> str:
    """Returns a date as French people write it."""
    return f"{'1er' if day.day == 1 else day.day} {_MONTHS[day.month - 1]} {day.year}"


def add_months(day: date, months: int) -> date:
    """Returns the same day some months later; the 29th, 30th and 31st become the 28th."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, 28))


def age_at(birth: date, day: date) -> int:
    """Returns the full years from a birth to a day."""
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def _last_sunday(year: int, month: int) -> date:
    """Returns the last Sunday of a month of 31 days."""
    last = date(year, month, 31)
    return last - timedelta(days=last.isoweekday() % _SUNDAY)
