"""Ranges of bytes: https://www.rfc-editor.org/rfc/rfc9110#section-14. Several at once are answered by the whole."""

from __future__ import annotations

import re

from fhir_dmp.instant import Milliseconds, parse_http_date

_RANGE = re.compile(r"bytes\s*=\s*(?:(\d{1,18})-(\d{1,18})?|-(\d{1,18}))\s*", re.IGNORECASE)


class Unsatisfiable(ValueError):
    """A range begins after the last byte."""


def parse_range(text: str, size: int) -> tuple[int, int] | None:
    """Returns the first byte and the one after the last; None where the whole is to be sent; raises Unsatisfiable.

    What is no range of bytes, or has several, is as if it were not there (RFC 9110, 14.2).
    """
    found = _RANGE.fullmatch(text)
    if found is None:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        start, end = max(0, size - int(suffix)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= size or start >= end:
        raise Unsatisfiable
    return start, end


def is_unchanged(if_range: str, etag: str, last_updated: Milliseconds) -> bool:
    """Tells whether a part of what the client has goes with one of ours: If-Range compares strongly (13.1.5)."""
    if not if_range:
        return True
    if if_range.startswith(('"', "W/")):
        return if_range == etag
    return parse_http_date(if_range) == last_updated // 1000 * 1000
