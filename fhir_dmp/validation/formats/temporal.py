"""date, dateTime, instant and time: the grammar of R4, and only days that the calendar has.

https://hl7.org/fhir/R4/datatypes.html#date
"""

from __future__ import annotations

import re
from calendar import monthrange

from fhir_dmp.validation.formats.format import Format

_YEAR = r"(?!0000)[0-9]{4}"
_MONTH = r"(?:0[1-9]|1[0-2])"
_DAY = rf"(?:{_MONTH}-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
"""Every day of a year but 29 February, which needs the year."""

_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]{1,32})?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"

_DATE_PARTS = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")
_TIME_PARTS = re.compile(r"([0-9]{2}):([0-9]{2})(?::([0-9]{2})(\.[0-9]+)?)?")
_ZONE_PARTS = re.compile(r"[+-]([0-9]{2}):([0-9]{2})")
_ZONE_START = re.compile(r"[Z+-]")

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_FULL_DATE = len("YYYY-MM-DD")
_FRACTION = len(".") + 32
"""More digits of a second than any clock gives; R4 sets no limit."""


def _explain_date(text: str) -> str:
    return "a date has no time" if "T" in text else _explain_day(text, "expected YYYY, YYYY-MM or YYYY-MM-DD")


def _explain_date_time(text: str) -> str:
    expected = "expected YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a time zone"
    day, has_time, time = text.partition("T")
    return _explain_moment(day, time, expected) if has_time else _explain_day(day, expected)


def _explain_instant(text: str) -> str:
    expected = "expected YYYY-MM-DDThh:mm:ss with a time zone, as in 2024-03-01T08:30:00+01:00"
    day, has_time, time = text.partition("T")
    return _explain_moment(day, time, expected) if has_time else expected


def _explain_moment(day: str, time: str, expected: str) -> str:
    if len(day) != _FULL_DATE:
        return expected
    clock = _ZONE_START.split(time, maxsplit=1)[0]
    return _explain_day(day, expected) or _explain_time(clock) or _explain_zone(time[len(clock) :])


def _explain_day(text: str, expected: str) -> str:
    parts = _DATE_PARTS.fullmatch(text)
    if parts is None:
        return expected
    year, month, day = (int(part or 1) for part in parts.groups())
    if not year:
        return "there is no year 0000"
    if not 1 <= month <= len(_MONTHS):
        return f"there is no month {month:02}"
    last = monthrange(year, month)[1]
    return "" if 1 <= day <= last else f"{_MONTHS[month - 1]} {year:04} has {last} days"


def _explain_time(text: str) -> str:
    parts = _TIME_PARTS.fullmatch(text)
    if parts is None:
        return "expected a time as hh:mm:ss"
    hour, minute, second, fraction = parts.groups()
    if second is None:
        return "a time needs its seconds, as in 08:30:00"
    for unit, value, last in (("hour", hour, 23), ("minute", minute, 59), ("second", second, 60)):
        if int(value) > last:
            return f"there is no {unit} {value}"
    return "a second has at most 32 decimal places" if fraction and len(fraction) > _FRACTION else ""


def _explain_zone(text: str) -> str:
    if not text:
        return "a time needs its time zone, as in Z or +01:00"
    parts = _ZONE_PARTS.fullmatch(text)
    if parts is None:
        return "" if text == "Z" else "expected a time zone as Z or +hh:mm"
    hour, minute = parts.groups()
    return "" if f"{hour}:{minute}" <= "14:00" and minute <= "59" else "time zones reach from -14:00 to +14:00"


_SURELY_DATE = re.compile(rf"{_YEAR}(?:-{_MONTH}|-{_DAY})?").fullmatch
_SURELY_DATE_TIME = re.compile(rf"{_YEAR}(?:-{_MONTH}|-{_DAY}(?:T{_TIME}{_ZONE})?)?").fullmatch
_SURELY_INSTANT = re.compile(rf"{_YEAR}-{_DAY}T{_TIME}{_ZONE}").fullmatch

TEMPORAL_FORMATS = (
    Format("date", "a date", _SURELY_DATE, _explain_date),
    Format("dateTime", "a dateTime", _SURELY_DATE_TIME, _explain_date_time),
    Format("instant", "an instant", _SURELY_INSTANT, _explain_instant),
    Format("time", "a time", re.compile(_TIME).fullmatch, _explain_time),
)
