"""Parameters that shape a result: _sort, _count, _total, _summary. https://hl7.org/fhir/R4/search.html#return."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import cast

from fhir_dmp.search.query import Sort, SortType, Total
from fhir_dmp.search.space import Parameter
from fhir_dmp.search.values import BadValue

RESULT_PARAMETERS = frozenset({"_sort", "_count", "_total", "_summary"})

_SUPPORTED_SUMMARIES = frozenset({"count", "false"})
_SUMMARIES = frozenset({"true", "text", "data", *_SUPPORTED_SUMMARIES})
_DIGITS = re.compile(r"\d+", re.ASCII)
_OWN_SORTS: Mapping[str, SortType] = {"_id": "id", "_lastUpdated": "last-updated"}


def parse_count(text: str, limit: int) -> int:
    """Returns the largest page asked for, at most `limit`. Raises BadValue."""
    if not _DIGITS.fullmatch(text):
        raise BadValue("it is a whole number, 0 or more")
    digits = text.lstrip("0")
    return limit if len(digits) > len(str(limit)) else min(int(digits or "0"), limit)


def parse_total(text: str) -> Total:
    """Returns how exact the total should be. Raises BadValue."""
    try:
        return Total(text)
    except ValueError:
        raise BadValue("it is none, estimate or accurate") from None


def is_supported_summary(text: str) -> bool:
    """Tells whether a `_summary` is one this server makes. Raises BadValue where it is none that exists."""
    if text not in _SUMMARIES:
        raise BadValue("it is true, text, data, count or false")
    return text in _SUPPORTED_SUMMARIES


def parse_sort(text: str, known: Mapping[str, Parameter], main_date: str) -> Iterator[tuple[str, Sort | None]]:
    """Yields each key as written, with its Sort; None where it names no parameter to sort by."""
    for written in filter(None, text.split(",")):
        code = written.removeprefix("-")
        sort_type = _OWN_SORTS.get(code) or (known[code].type if code in known else None)
        descending, is_main = written != code, code == main_date
        yield written, Sort(code, cast("SortType", sort_type), descending, is_main) if sort_type else None
