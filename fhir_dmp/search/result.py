"""Parameters that shape a result: _sort, _count, _total, _summary, _elements, _contained.

https://hl7.org/fhir/R4/search.html#return
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, cast

from fhir_dmp.search.query import Contained, Sort, SortType, Total
from fhir_dmp.search.space import WORDED, Parameter
from fhir_dmp.search.values import BadValue
from fhir_dmp.subset import Summary

RESULT_PARAMETERS = frozenset({"_sort", "_count", "_total", "_summary", "_elements", "_contained", "_containedType"})
INCLUSIONS = ("_include", "_revinclude")

_SUMMARIES: Mapping[str, Summary | Literal["count"] | None] = {
    "true": "true", "text": "text", "data": "data", "count": "count", "false": None
}  # fmt: skip
_DIGITS = re.compile(r"\d+", re.ASCII)
_UNORDERED = frozenset({"composite", "special"})
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


def parse_summary(text: str) -> Summary | Literal["count"] | None:
    """Returns what of each match is asked for, None for all of it. Raises BadValue."""
    if text not in _SUMMARIES:
        raise BadValue("it is true, text, data, count or false")
    return _SUMMARIES[text]


def check_contained(name: str, text: str, contained: Contained) -> None:
    """Raises BadValue for what is no value of _contained or _containedType, or is none here."""
    if name == "_containedType" and text not in {"container", "contained"}:
        raise BadValue("it is container or contained")
    if name == "_contained" and text not in {"true", "false", "both"}:
        raise BadValue("it is true, false or both")
    if text in {"true", "both"} and contained is Contained.LEFT_OUT:
        raise BadValue("contained resources are found by a search of a type or of the system alone")


def find_contained(parameters: Sequence[tuple[str, str]]) -> Contained:
    """Returns what some parameters ask of contained resources; `_containedType` counts beside `_contained` only."""
    asked = dict(parameters)
    if asked.get("_contained") not in {"true", "both"}:
        return Contained.LEFT_OUT
    return Contained.ALONE if asked.get("_containedType") == "contained" else Contained.CONTAINERS


def parse_sort(text: str, known: Mapping[str, Parameter], main_date: str) -> Iterator[tuple[str, Sort | None]]:
    """Yields each key as written, with its Sort; None where it names no parameter to sort by."""
    for written in filter(None, text.split(",")):
        code = written.removeprefix("-")
        is_ordered = code in known and known[code].type not in _UNORDERED and code not in WORDED
        sort_type = _OWN_SORTS.get(code) or (known[code].type if is_ordered else None)
        descending, is_main = written != code, code == main_date
        yield written, Sort(code, cast("SortType", sort_type), descending, is_main) if sort_type else None
