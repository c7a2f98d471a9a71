"""Date and time arithmetic: http://hl7.org/fhirpath/N1/#datetime-arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from fhir_dmp.fhirpath.fault import EvaluationError
from fhir_dmp.fhirpath.quantity import CALENDAR_UNITS, DEFINITE, Quantity
from fhir_dmp.fhirpath.temporal import Part, Temporal, TemporalKind, days_in_month, parse_temporal

_CODES = {code: name for name, code in DEFINITE.items()}
_MILLISECONDS = {
    "week": 604_800_000, "day": 86_400_000, "hour": 3_600_000, "minute": 60_000, "second": 1000, "millisecond": 1,
}  # fmt: skip
_MONTHS = {"year": 12, "month": 1}
_SIZES = (12 * 30 * 86_400_000, 30 * 86_400_000, 86_400_000, 3_600_000, 60_000, 1)
"""Milliseconds in each part of a date; years and months count as 360 and 30 days where a date stops at them."""
_PARTS_OF_DAY = 3
_ALL_PARTS = 6


def add_duration(moment: Temporal, duration: Quantity, sign: int) -> Temporal | None:
    """Returns a moment later (sign 1) or earlier (-1) by a duration, as precise as it was; None beyond year 1 or 9999.

    Raises EvaluationError for a quantity that is no duration, or whose months and years are of definite length.
    """
    unit = _unit(duration)
    amount = sign * int(duration.value)
    if moment.kind == "Time":
        return _add_to_time(moment, _milliseconds(duration, unit, sign))
    if unit in _MONTHS:
        return _add_months(moment, amount * _MONTHS[unit])
    milliseconds = _milliseconds(duration, unit, sign)
    if len(moment.parts) < _PARTS_OF_DAY:
        return _add_to_partial(moment, milliseconds)
    return _add_milliseconds(moment, milliseconds)


def _unit(duration: Quantity) -> str:
    if duration.calendar or duration.unit in CALENDAR_UNITS:
        return CALENDAR_UNITS[duration.unit]
    if duration.unit in _CODES:
        return _CODES[duration.unit]
    raise EvaluationError(f"'{duration.unit[:20]}' is no duration that a date can be moved by")


def _milliseconds(duration: Quantity, unit: str, sign: int) -> int:
    """Fractions count for seconds only, and not for 's': so HL7's suite (testPlusDate4, testPlusDate19)."""
    if unit in _MONTHS:
        raise EvaluationError("a Time cannot be moved by years or months")
    whole = duration.value if unit == "second" and duration.calendar else Decimal(int(duration.value))
    return sign * int(whole * _MILLISECONDS[unit])


def _add_months(moment: Temporal, months: int) -> Temporal | None:
    if len(moment.parts) == 1:
        years = abs(months) // 12 * (1 if months > 0 else -1)
        return _build(moment, (moment.parts[0] + years,))
    index = int(moment.parts[0]) * 12 + int(moment.parts[1]) - 1 + months
    year, month = index // 12, index % 12 + 1
    if len(moment.parts) < _PARTS_OF_DAY:
        return _build(moment, (year, month))
    day = min(int(moment.parts[2]), days_in_month(year, month))
    return _build(moment, (year, month, day, *moment.parts[3:]))


def _add_to_partial(moment: Temporal, milliseconds: int) -> Temporal | None:
    """Moves a year or month by whole ones of its own precision."""
    size = _SIZES[len(moment.parts) - 1]
    whole = abs(milliseconds) // size * (1 if milliseconds > 0 else -1)
    return _add_months(moment, whole * (12 if len(moment.parts) == 1 else 1))


def _add_milliseconds(moment: Temporal, milliseconds: int) -> Temporal | None:
    size = _SIZES[len(moment.parts) - 1]
    whole = abs(milliseconds) // size * size * (1 if milliseconds > 0 else -1)
    year, month, day, hour, minute = (int(part) for part in (*moment.parts[:5], 0, 0)[:5])
    second = Fraction(moment.parts[5]) if len(moment.parts) == _ALL_PARTS else Fraction(0)
    total = second * 1000 + whole
    try:
        moved = datetime(year, month, day, hour, minute, tzinfo=UTC) + timedelta(seconds=int(total // 1000))
    except OverflowError:
        return None
    seconds = moved.second + (total % 1000) / 1000
    parts = (moved.year, moved.month, moved.day, moved.hour, moved.minute, _decimal(seconds))
    return _build(moment, parts[: len(moment.parts)])


def _add_to_time(moment: Temporal, milliseconds: int) -> Temporal | None:
    """Moves a time of day around the clock."""
    sizes = _SIZES[3:]
    hour, minute, second = (Fraction(part) for part in (*moment.parts, 0, 0)[:3])
    size = sizes[len(moment.parts) - 1]
    whole = abs(milliseconds) // size * size * (1 if milliseconds > 0 else -1)
    total = (hour * sizes[0] + minute * sizes[1] + second * 1000 + whole) % (24 * sizes[0])
    parts: tuple[Part, ...] = (
        int(total // sizes[0]), int(total % sizes[0] // sizes[1]), _decimal(total % sizes[1] / 1000),
    )  # fmt: skip
    return _build(moment, parts[: len(moment.parts)])


def _decimal(seconds: Fraction) -> Decimal:
    return Decimal(seconds.numerator) / Decimal(seconds.denominator)


def _build(like: Temporal, parts: tuple[Part, ...]) -> Temporal | None:
    digits = len(like.text.partition(".")[2].partition("+")[0].partition("-")[0].rstrip("Z"))
    return parse_temporal(write_parts(like.kind, parts, like.offset, digits, like.text), like.kind)


def write_parts(kind: TemporalKind, parts: tuple[Part, ...], offset: int | None, digits: int, like: str = "") -> str:
    """Returns the text of a moment with so many digits in its fraction of a second."""
    texts = [f"{int(part):02}" for part in parts]
    if kind != "Time":
        texts[0] = f"{int(parts[0]):04}"
    clock = texts if kind == "Time" else texts[3:]
    if len(parts) == (3 if kind == "Time" else _ALL_PARTS) and digits:
        clock[-1] = f"{Decimal(parts[-1]):0{digits + 3}.{digits}f}"
    day = "" if kind == "Time" else "-".join(texts[:3])
    written = day + ("T" if day and clock else "") + ":".join(clock)
    return written + (write_offset(offset, like) if clock else "")


def write_offset(offset: int | None, like: str = "") -> str:
    """Returns the text of an offset in minutes: Z for 0, unless the text it is like says +00:00."""
    if offset is None:
        return ""
    if offset == 0 and not like.endswith("00:00"):
        return "Z"
    return f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02}:{abs(offset) % 60:02}"
