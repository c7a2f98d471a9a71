"""Dates, numbers and quantities of elements → facts: each is a span from low to high.

https://hl7.org/fhir/R4/search.html#date, #number and #quantity.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from fhir_dmp.json_text import Json
from fhir_dmp.search.facts import BEGINNING, END, DateFact, QuantityFact
from fhir_dmp.search.found import Conversion, Conversions, Found, Target
from fhir_dmp.search.links import UCUM
from fhir_dmp.search.magnitude import INFINITY, hold, hold_json, just_above, just_below
from fhir_dmp.search.span import Span, parse_span
from fhir_dmp.search.unit import base_of

_NUMBER = re.compile(r"[+-]?\d{1,34}(\.\d{1,34})?", re.ASCII)
_CURRENCIES = "urn:iso:std:iso:4217"


def _date(target: Target) -> Conversion:
    parameter, zone = target.parameter, target.zone

    def convert(value: Json, found: Found) -> None:
        span = parse_span(value, zone) if type(value) is str else None
        if span:
            found.dates.append(DateFact(parameter, *span))

    return convert


def _instant(target: Target) -> Conversion:
    """An instant has no width, however it is written: it fills its first millisecond."""

    def convert(value: Json, found: Found) -> None:
        span = parse_span(value, target.zone) if type(value) is str else None
        if span:
            found.dates.append(DateFact(target.parameter, span[0], span[0] + 1))

    return convert


def _period(target: Target) -> Conversion:
    def convert(value: Json, found: Found) -> None:
        span = _period_span(value, target)
        if span:
            found.dates.append(DateFact(target.parameter, *span))

    return convert


def _timing(target: Target) -> Conversion:
    """Only the outer limits of a Timing count: its events, and the bounds of its repetition."""

    def convert(value: Json, found: Found) -> None:
        spans = list(_timing_spans(value, target))
        if spans:
            low, high = min(span[0] for span in spans), max(span[1] for span in spans)
            found.dates.append(DateFact(target.parameter, low, high))

    return convert


def _timing_spans(value: Json, target: Target) -> Iterator[Span]:
    events, repeat = _at(value, "event"), _at(value, "repeat")
    for event in events if type(events) is list else ():
        span = parse_span(event, target.zone) if type(event) is str else None
        if span:
            yield span
    bounds = _period_span(_at(repeat, "boundsPeriod"), target)
    if bounds:
        yield bounds


def _period_span(value: Json, target: Target) -> Span | None:
    """A bound that is missing is open; a period without either, or that ends before it starts, says nothing."""
    first, last = _at(value, "start"), _at(value, "end")
    start = parse_span(first, target.zone) if type(first) is str else None
    end = parse_span(last, target.zone) if type(last) is str else None
    low, high = start[0] if start else BEGINNING, end[1] if end else END
    return (low, high) if low < high and (start or end) else None


def _number(target: Target) -> Conversion:
    def convert(value: Json, found: Found) -> None:
        number = hold_json(value)
        if number is not None:
            found.quantities.append(QuantityFact(target.parameter, number, number, "", "", ""))

    return convert


def _quantity(target: Target) -> Conversion:
    parameter = target.parameter

    def convert(value: Json, found: Found) -> None:
        number = hold_json(_at(value, "value"))
        if number is not None:
            _add(found, parameter, _compared(number, value.get("comparator")), value)

    return convert


def _compared(number: Decimal, comparator: Json) -> tuple[Decimal, Decimal]:
    """A stored `<5` is any number below 5."""
    if comparator == "<":
        return -INFINITY, just_below(number)
    if comparator == "<=":
        return -INFINITY, number
    if comparator == ">":
        return just_above(number), INFINITY
    return (number, INFINITY) if comparator == ">=" else (number, number)


def _money(target: Target) -> Conversion:
    def convert(value: Json, found: Found) -> None:
        number = hold_json(_at(value, "value"))
        if number is not None:
            currency = _text(value, "currency")
            system = _CURRENCIES if currency else ""
            found.quantities.append(QuantityFact(target.parameter, number, number, system, currency, ""))

    return convert


def _range(target: Target) -> Conversion:
    def convert(value: Json, found: Found) -> None:
        low, high = _at(value, "low"), _at(value, "high")
        least, most = hold_json(_at(low, "value")), hold_json(_at(high, "value"))
        if least is not None or most is not None:
            quantity = high if least is None else low
            least, most = -INFINITY if least is None else least, INFINITY if most is None else most
            if least <= most:
                _add(found, target.parameter, (least, most), quantity)

    return convert


def _sampled_data(target: Target) -> Conversion:
    """Samples span from the least to the greatest; `E`, `L` and `U` among them are no numbers."""

    def convert(value: Json, found: Found) -> None:
        origin = _at(value, "origin")
        zero, factor = hold_json(_at(origin, "value")), hold_json(_at(value, "factor"))
        samples = [Decimal(sample) for sample in _text(value, "data").split() if _NUMBER.fullmatch(sample)]
        scale = Decimal(1) if factor is None else factor
        if samples and zero is not None and zero.is_finite() and scale.is_finite():
            low, high = sorted(hold(zero + scale * sample) for sample in (min(samples), max(samples)))
            _add(found, target.parameter, (low, high), origin)

    return convert


def _add(found: Found, parameter: str, span: tuple[Decimal, Decimal], quantity: Json) -> None:
    """Adds a span of numbers in the unit of a quantity, and in base units where UCUM knows them."""
    system, code = _text(quantity, "system"), _text(quantity, "code")
    found.quantities.append(QuantityFact(parameter, *span, system, code, _text(quantity, "unit")))
    base = base_of(system, code)
    if base:
        low = base.convert(span[0])
        high = low if span[0] == span[1] else base.convert(span[1])
        found.quantities.append(QuantityFact(f"{parameter}:{UCUM}", low, high, "", base.code, ""))


def _at(value: Json, key: str) -> Json:
    return value.get(key) if type(value) is dict else None


def _text(value: Json, key: str) -> str:
    text = _at(value, key)
    return text if type(text) is str else ""


DATES: Mapping[str, Conversions] = {
    "date": _date,
    "dateTime": _date,
    "instant": _instant,
    "Period": _period,
    "Timing": _timing,
}
NUMBERS: Mapping[str, Conversions] = {
    **dict.fromkeys(("integer", "positiveInt", "unsignedInt", "decimal", "System.Integer", "System.Decimal"), _number),
    "Range": _range,
}
QUANTITIES: Mapping[str, Conversions] = {
    **dict.fromkeys(("Quantity", "Age", "Count", "Distance", "Duration"), _quantity),
    "Money": _money,
    "Range": _range,
    "SampledData": _sampled_data,
}
