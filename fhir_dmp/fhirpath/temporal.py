"""Dates, times and date-times of any precision: http://hl7.org/fhirpath/N1/#date, #datetime-comparison.

A value keeps what it says: `2014-03` has two parts and is neither before nor after `2014-03-01`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Literal

TemporalKind = Literal["Date", "DateTime", "Time"]
Part = int | Decimal

_TEXT = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d))?)?"
    r"(?P<t>T(?:(?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d(?:\.\d+)?))?)?(?P<offset>Z|[+-]\d\d:\d\d)?)?)?",
    re.ASCII,
)
_TIME = re.compile(r"(?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d(?:\.\d+)?))?)?", re.ASCII)
_LIMITS = ((1, 9999), (1, 12), (1, 31), (0, 23), (0, 59), (0, 60))
_DATE_PARTS = 3
_FEBRUARY = 2
_SHORT = 64
"""Characters of a text that is kept, with its value: a fraction of a second may be as long as one likes."""
_OFFSETS = (-12 * 60, 14 * 60)
"""The time zones of the Earth, in minutes: what an offset that is not stated may be."""


@dataclass(frozen=True, slots=True)
class Temporal:
    """A Date, DateTime or Time. `parts` are year, month, day, hour, minute, second as far as known.

    A Time has hour, minute and second only. `offset` is in minutes, None where the text states none; `text` is the
    value as it was written, without the @ of a literal.
    """

    kind: TemporalKind
    parts: tuple[Part, ...]
    offset: int | None
    text: str

    def __str__(self) -> str:
        """Returns the text of the value."""
        return self.text


def parse_temporal(text: str, kind: TemporalKind) -> Temporal | None:
    """Returns the value of a FHIR or FHIRPath text, None where it is not one of this kind."""
    read = _read_temporal if len(text) <= _SHORT else _read_temporal.__wrapped__
    return read(text, kind)


@lru_cache(maxsize=2048)
def _read_temporal(text: str, kind: TemporalKind) -> Temporal | None:
    match = (_TIME if kind == "Time" else _TEXT).fullmatch(text)
    if match is None:
        return None
    found = match.groupdict()
    if kind == "Date" and found["t"] is not None:
        return None
    names = ("hour", "minute") if kind == "Time" else ("year", "month", "day", "hour", "minute")
    parts: list[Part] = [int(found[name]) for name in names if found[name] is not None]
    if found["second"] is not None:
        parts.append(Decimal(found["second"]))
    value = Temporal(kind, tuple(parts), _parse_offset(found.get("offset")), text.removesuffix("T"))
    return value if _is_real(value) else None


def _parse_offset(text: str | None) -> int | None:
    if text is None or text == "Z":
        return None if text is None else 0
    minutes = int(text[1:3]) * 60 + int(text[4:6])
    return -minutes if text[0] == "-" else minutes


def _is_real(value: Temporal) -> bool:
    limits = _LIMITS[_DATE_PARTS:] if value.kind == "Time" else _LIMITS
    if not all(low <= part <= high for part, (low, high) in zip(value.parts, limits, strict=False)):
        return False
    if value.kind == "Time" or len(value.parts) < _DATE_PARTS:
        return True
    return int(value.parts[2]) <= days_in_month(int(value.parts[0]), int(value.parts[1]))


def days_in_month(year: int, month: int) -> int:
    """Returns how many days a month of the Gregorian calendar has."""
    if month == _FEBRUARY:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in {4, 6, 9, 11} else 31


def from_datetime(moment: datetime, kind: TemporalKind) -> Temporal:
    """Returns `now` as a Date, DateTime or Time; an aware datetime keeps its offset."""
    text = moment.isoformat(timespec="milliseconds")
    if kind == "Date":
        text = text[:10]
    elif kind == "Time":
        text = text[11:23]
    value = parse_temporal(text, kind)
    if value is None:
        raise ValueError(text)
    return value


def compare_temporal(left: Temporal, right: Temporal) -> int | None:
    """Returns -1, 0 or 1, None where the precision or an offset that is not stated leaves it open.

    Raises TypeError for a Time beside a Date.
    """
    if (left.kind == "Time") != (right.kind == "Time"):
        raise TypeError(left.kind, right.kind)
    if left.offset is not None and right.offset is not None:
        return _compare_parts(_in_utc(left, left.offset), _in_utc(right, right.offset))
    if (left.offset is None and right.offset is None) or not (_has_time(left) and _has_time(right)):
        return _compare_parts(left.parts, right.parts)
    found = {
        _compare_parts(_in_utc(left, one if left.offset is None else left.offset),
                       _in_utc(right, one if right.offset is None else right.offset))
        for one in _OFFSETS
    }  # fmt: skip
    return found.pop() if len(found) == 1 else None


def _has_time(value: Temporal) -> bool:
    return value.kind == "Time" or len(value.parts) > _DATE_PARTS


def _compare_parts(left: tuple[Part, ...], right: tuple[Part, ...]) -> int | None:
    for one, other in zip(left, right, strict=False):
        if one != other:
            return -1 if one < other else 1
    return 0 if len(left) == len(right) else None


def _in_utc(value: Temporal, offset: int) -> tuple[Part, ...]:
    """The parts at offset 0, as many as there were."""
    if not offset or not _has_time(value) or value.kind == "Time":
        return value.parts
    year, month, day, hour, minute = (int(part) for part in (*value.parts[:5], 0)[:5])
    try:
        moment = datetime(year, month, day, hour, minute, tzinfo=UTC) - timedelta(minutes=offset)
    except OverflowError:
        return value.parts
    moved = (moment.year, moment.month, moment.day, moment.hour, moment.minute, *value.parts[5:])
    return moved[: len(value.parts)]


def temporal_key(value: Temporal) -> tuple[object, ...]:
    """Returns what two values share if and only if they are equal: for distinct() in linear time."""
    zoned = value.offset is not None
    kind = "Time" if value.kind == "Time" else "Date"
    return (kind, zoned, _in_utc(value, value.offset or 0))
