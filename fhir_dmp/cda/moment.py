"""A point in time of HL7 version 3 (TS, `20260612110000+0200`) as FHIR writes it. ISO 21090."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo

_FORM = re.compile(
    r"(?P<year>\d{4})(?:(?P<month>\d\d)(?:(?P<day>\d\d)"
    r"(?:(?P<hour>\d\d)(?:(?P<minute>\d\d)(?:(?P<second>\d\d)(?:\.\d{1,6})?)?)?(?P<zone>[+-]\d{4})?)?)?)?",
    re.ASCII,
)


def read_moment(text: str, zone: tzinfo) -> str:
    """Returns a FHIR dateTime as exact as the text; with an hour it is an instant too, in `zone` where it names none.

    Raises ValueError where the text is no point in time.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError("no point in time")
    parts = found.groupdict()
    numbers = {name: int(value) for name, value in parts.items() if value and name != "zone"}
    at = datetime(**{"month": 1, "day": 1, **numbers}, tzinfo=_read_zone(parts["zone"]) or zone)
    if not parts["hour"]:
        return "-".join(value for name in ("year", "month", "day") if (value := parts[name]))
    return at.isoformat()


def _read_zone(text: str | None) -> tzinfo | None:
    if not text:
        return None
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[3:]))
    return timezone(-offset if text[0] == "-" else offset)
