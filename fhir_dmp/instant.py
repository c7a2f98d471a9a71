"""Instants as the store keeps them: whole milliseconds since 1970 UTC. https://hl7.org/fhir/R4/datatypes.html#instant."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from fhir_dmp.outcome import Category, error

Milliseconds = int
"""Milliseconds since 1970-01-01T00:00:00Z."""

_EPOCH = datetime.fromtimestamp(0, UTC)
_MILLISECOND = timedelta(milliseconds=1)
_FIRST = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND
_LAST = (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC) - _EPOCH) // _MILLISECOND
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def write_instant(at: Milliseconds) -> str:
    """Returns the FHIR instant, in UTC and with milliseconds."""
    return f"{_write_second(at // 1000)}.{at % 1000:03d}Z"


@lru_cache(maxsize=4096)
def _write_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=4096)
def _write_http_second(second: int) -> str:
    at = datetime.fromtimestamp(second, UTC)
    return f"{_DAYS[at.weekday()]}, {at.day:02d} {_MONTHS[at.month - 1]} {at:%Y %H:%M:%S} GMT"


def write_http_date(at: Milliseconds) -> str:
    """Returns the date of an HTTP header (RFC 9110, 5.6.7); it has no fraction of a second."""
    return _write_http_second(at // 1000)


def parse_http_date(text: str) -> Milliseconds | None:
    """Returns the instant of an HTTP date in its preferred form, or None where it is in another (then ignored)."""
    try:
        at = datetime.strptime(text, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(at.timestamp()) * 1000


def parse_instant(text: str, parameter: str) -> Milliseconds:
    """Returns the value of a FHIR instant that a parameter holds; raises FhirError where it is none.

    One that an offset moves out of the years from 1 to 9999 is the first or last of these: others cannot be written.
    """
    at = None
    with suppress(ValueError, OverflowError):
        at = datetime.fromisoformat(text.replace(" ", "+"))
    if at is None or at.tzinfo is None or "T" not in text:
        message = f"{parameter} takes an instant with a time zone, such as 2026-01-31T08:00:00Z."
        raise error(Category.INVALID_PARAMETER, "parameter-value", message, f"http.{parameter}")
    return min(max((at - _EPOCH) // _MILLISECOND, _FIRST), _LAST)
