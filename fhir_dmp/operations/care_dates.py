"""The parameters `start` and `end` of operations: when care was, not when it was written down."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_dmp.instant import Milliseconds
from fhir_dmp.interactions.context import Context
from fhir_dmp.operations.parameters import Inputs
from fhir_dmp.outcome import Category, error
from fhir_dmp.search.facts import BEGINNING
from fhir_dmp.search.query import Clause, Clinical, DateValue, Not, OfType, Or
from fhir_dmp.search.span import parse_span

_UNDATED = Or((OfType(("Patient",)), Not(Clinical(DateValue("ge", BEGINNING, BEGINNING + 1)))))
"""Whoever was born before is the patient nevertheless."""


def about_time(context: Context, inputs: Inputs) -> Iterator[Clause]:
    """Yields the conditions on when the content is from; what is from no time, as an allergy may be, meets them."""
    start, end = read_span(context, inputs, "start"), read_span(context, inputs, "end")
    # whatever reaches into the time asked for, in whole or in part
    if start:
        yield Or((Clinical(DateValue("gt", start[0], start[0])), _UNDATED))
    if end:
        yield Or((Clinical(DateValue("lt", end[1], end[1])), _UNDATED))


def read_span(context: Context, inputs: Inputs, name: str) -> tuple[Milliseconds, Milliseconds] | None:
    """Returns what a date or time covers; None where there is none. Raises FhirError where it is not one."""
    text = inputs.text(name)
    if not text:
        return None
    span = parse_span(text.replace(" ", "+"), context.zone)
    if span is None:
        message = f"{name} takes a date or time such as 2026-01-31 or 2026-01-31T08:00:00Z."
        raise error(Category.INVALID_PARAMETER, "parameter-value", message, f"http.{name}")
    return span
