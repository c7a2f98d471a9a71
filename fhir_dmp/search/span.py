"""Dates and times as spans of milliseconds: `2024-05` is the whole of May. https://hl7.org/fhir/R4/search.html#date.

What has no time zone is read in the zone given (the server's): a birth date is a day on the local calendar.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache

from fhir_dmp.instant import Milliseconds

_FORM = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LAST_OFFSET = 14 * 60
_SHORT = 64
"""Characters of a text that is kept, with its span: what clients write may be as long as they like."""

Span = tuple[Milliseconds, Milliseconds]
"""[low, high)."""


def parse_span(text: str, zone: tzinfo) -> Span | None:
    """Returns what a date, dateTime or instant covers, as precisely as it is written; None where it is none."""
    read = _read_span if len(text) <= _SHORT else _read_span.__wrapped__
    return read(text, zone)


@lru_cache(maxsize=16384)
def _read_span(text: str, zone: tzinfo) -> Span | None:
    form = _FORM.fullmatch(text)
    if form is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = form.groups()
    try:
        if hour is None:
            return _days(int(year), month, day, zone)
        at = _start(datetime(int(year), int(month), int(day), int(hour), int(minute), tzinfo=UTC), offset, zone)
    except (ValueError, OverflowError):
        return None
    return _within_minute(at, second, fraction)


def _days(year: int, month: str | None, day: str | None, zone: tzinfo) -> Span:
    first = date(year, int(month or 1), int(day or 1))
    if day:
        after = _next_day(first)
    elif month:
        after = (year + int(month) // 12, int(month) % 12 + 1, 1)
    else:
        after = (year + 1, 1, 1)
    return _midnight((first.year, first.month, first.day), zone), _midnight(after, zone)


def _next_day(day: date) -> tuple[int, int, int]:
    if day == date.max:
        return (day.year + 1, 1, 1)
    after = day + timedelta(days=1)
    return (after.year, after.month, after.day)


def _midnight(day: tuple[int, int, int], zone: tzinfo) -> Milliseconds:
    if day[0] > date.max.year:
        return _start(datetime(date.max.year, 12, 31, tzinfo=UTC), None, zone) + 86_400_000
    return _start(datetime(*day, tzinfo=UTC), None, zone)


def _start(local: datetime, offset: str | None, zone: tzinfo) -> Milliseconds:
    """The instant at which clocks show `local`. Raises ValueError where the offset is none that exists."""
    if offset is None:
        return (local.replace(tzinfo=zone) - _EPOCH) // _MILLISECOND
    minutes = 0 if offset == "Z" else int(offset[1:3]) * 60 + int(offset[4:6])
    if minutes > _LAST_OFFSET or offset[4:6] > "59":
        raise ValueError(offset)
    sign = -1 if offset[0] == "-" else 1
    return (local - _EPOCH) // _MILLISECOND - sign * minutes * 60_000


def _within_minute(minute: Milliseconds, second: str | None, fraction: str | None) -> Span | None:
    """A leap second (60) is the first of the next minute; digits beyond the millisecond are cut off."""
    if second is None:
        return minute, minute + 60_000
    if second > "60":
        return None
    at = minute + int(second) * 1000
    if fraction is None:
        return at, at + 1000
    scale = 10 ** max(0, 3 - len(fraction[:3]))
    at += int(fraction[:3]) * scale
    return at, at + scale
