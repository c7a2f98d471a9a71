"""Search values: the text of one alternative → what it asks of a parameter, by the parameter's type.

https://hl7.org/fhir/R4/search.html#ptypes. Functions here raise BadValue, whose text completes "… is not acceptable:".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from fhir_dmp.instant import Milliseconds
from fhir_dmp.resource import is_id
from fhir_dmp.search.contact import contact_code
from fhir_dmp.search.escape import split, unescape
from fhir_dmp.search.links import relative_to, split_reference
from fhir_dmp.search.magnitude import hold, parse_number, span_of
from fhir_dmp.search.place import point_at, square_of
from fhir_dmp.search.query import (
    CompositeValue,
    DateValue,
    LinkValue,
    NearValue,
    Prefix,
    QuantityValue,
    StringValue,
    TokenValue,
    Value,
    WordsValue,
)
from fhir_dmp.search.space import WORDED, Parameter, SearchSpace
from fhir_dmp.search.span import parse_span
from fhir_dmp.search.terms import NO_TERMS, Terms
from fhir_dmp.search.text import normalise
from fhir_dmp.search.unit import UCUM_SYSTEM, base_of
from fhir_dmp.search.words import stems

_PREFIXED = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)", re.DOTALL)
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:.+", re.DOTALL)
_NO_SYSTEM = ({"boolean"}, {"ContactPoint"})
"""Parameters over these elements only take no `system|`."""
_APPROXIMATION = 10
"""`ap` allows a tenth: of the number, or of the time between now and the date."""


_NEARBY = "10"
"""Kilometres."""
_PLACE_PARTS = (2, 3, 4)
_MOST_WORDS = 20


class BadValue(ValueError):
    """A value that does not have the form its parameter asks for."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a value is read against besides its parameter; a value set may have at most `most_codes` codes."""

    space: SearchSpace
    now: Milliseconds
    terms: Terms = NO_TERMS
    most_codes: int = 0


def parse_value(text: str, parameter: Parameter, reading: Reading) -> Value:
    """Returns what one alternative asks; `text` is still escaped. Raises BadValue."""
    if parameter.code in WORDED:
        return parse_words(text)
    return _PARSERS[parameter.type](text, parameter, reading)


def parse_date(text: str, _parameter: Parameter, reading: Reading) -> DateValue:
    """Returns the span of a date with its prefix. A space stands for the `+` that URLs swallow. Raises BadValue."""
    prefix, written = _split_prefix(unescape(text))
    span = parse_span(written.replace(" ", "+"), reading.space.zone)
    if span is None:
        raise BadValue("a date is written 2024, 2024-05, 2024-05-31 or 2024-05-31T08:30[:00][+02:00]")
    low, high = span
    margin = abs(reading.now - low) // _APPROXIMATION if prefix == "ap" else 0
    return DateValue(prefix, low - margin, high + margin)


def parse_token(text: str, parameter: Parameter, _reading: Reading) -> TokenValue:
    """Returns the code of a token. Raises BadValue."""
    *systems, code = (unescape(part) for part in split(text, "|"))
    if systems and parameter.element_types in _NO_SYSTEM:
        raise BadValue("this parameter takes a code without system")
    if len(systems) > 1 or not any((*systems, code)):
        raise BadValue("a token is written code, system|code, |code or system|")
    if parameter.element_types == {"boolean"} and code not in {"true", "false"}:
        raise BadValue("it is true or false")
    if "ContactPoint" in parameter.element_types:
        code = contact_code(code)
    return TokenValue(systems[0] if systems else None, code or None)


def _parse_string(text: str, _parameter: Parameter, _reading: Reading) -> StringValue:
    return StringValue(parse_form(text))


def parse_form(text: str) -> str:
    """Returns the normal form of a text, never empty. Raises BadValue."""
    form = normalise(unescape(text))
    if not form:
        raise BadValue("it has no character that search compares")
    return form


def _parse_uri(text: str, _parameter: Parameter, _reading: Reading) -> LinkValue:
    return LinkValue((unescape(text),))


def _parse_reference(text: str, parameter: Parameter, reading: Reading) -> LinkValue:
    link = relative_to(reading.space.base_url, unescape(text))
    if is_id(link):
        return LinkValue(tuple(f"{target}/{link}" for target in parameter.targets))
    if split_reference(link, reading.space.registry.resource_types) is None and not _ABSOLUTE.fullmatch(link):
        raise BadValue("a reference is written id, Type/id, Type/id/_history/version or as an absolute URL")
    return LinkValue((link,))


def _parse_number(text: str, _parameter: Parameter, _reading: Reading) -> QuantityValue:
    return QuantityValue(*_parse_magnitude(unescape(text)))


def _parse_quantity(text: str, _parameter: Parameter, _reading: Reading) -> QuantityValue:
    match [unescape(part) for part in split(text, "|")]:
        case [number]:
            return QuantityValue(*_parse_magnitude(number))
        case [number, "", unit]:
            return QuantityValue(*_parse_magnitude(number), unit=unit or None)
        case [number, system, code]:
            return _in_base_units(QuantityValue(*_parse_magnitude(number), system=system, code=code or None))
    raise BadValue("a quantity is written number, number|system|code or number||unit")


def _in_base_units(value: QuantityValue) -> QuantityValue:
    base = base_of(value.system or "", value.code or "")
    if base is None:
        return value
    number, low, high = map(base.convert, (value.value, value.low, value.high))
    return QuantityValue(value.prefix, number, low, high, code=base.code, is_canonical=True)


def _parse_composite(text: str, parameter: Parameter, reading: Reading) -> CompositeValue:
    parts = split(text, "$")
    if len(parts) != len(parameter.components) or not all(parts):
        raise BadValue(f"it has {len(parameter.components)} parts with $ between them")
    given = zip(parts, parameter.components, strict=True)
    return CompositeValue(tuple(parse_value(part, component, reading) for part, component in given))


def _parse_near(text: str, _parameter: Parameter, _reading: Reading) -> NearValue:
    parts = [unescape(part) for part in split(text, "|")]
    latitude, longitude, distance, unit = _read_near(parts)
    length = base_of(UCUM_SYSTEM, unit)
    point = point_at(latitude, longitude)
    if point is None or length is None or length.code != "m1" or distance < 0:
        raise _no_place()
    return NearValue(point, square_of(float(length.convert(distance))))


def _read_near(parts: list[str]) -> tuple[float, float, Decimal, str]:
    """`latitude|longitude|distance|units`; a distance without units is in kilometres, and one not said is _NEARBY."""
    if len(parts) not in _PLACE_PARTS:
        raise _no_place()
    read = [parse_number(part) for part in (*parts[:2], parts[2] if len(parts) in _PLACE_PARTS[1:] else _NEARBY)]
    numbers = [number[0] for number in read if number]
    if len(numbers) != len(read):
        raise _no_place()
    unit = parts[3] if len(parts) == _PLACE_PARTS[-1] and parts[3] else "km"
    return float(numbers[0]), float(numbers[1]), numbers[2], unit


def _no_place() -> BadValue:
    return BadValue("a place is written latitude|longitude, in degrees, then |distance or |distance|unit of length")


def parse_words(text: str) -> WordsValue:
    """Returns the words of a text, all of which are asked for. Raises BadValue."""
    found = stems(unescape(text))
    if not 0 < len(found) <= _MOST_WORDS:
        raise BadValue(f"it has no word that search compares, or more than {_MOST_WORDS}")
    return WordsValue(tuple(sorted(found)))


def _parse_magnitude(text: str) -> tuple[Prefix, Decimal, Decimal, Decimal]:
    prefix, written = _split_prefix(text)
    read = parse_number(written)
    if read is None:
        raise BadValue("a number is written 100, -1.50 or 5.4e-3")
    number, margin = read
    if prefix == "ap":
        margin = max(margin, abs(number) / _APPROXIMATION)
    return (prefix, hold(number), *span_of(number, margin))


def _split_prefix(text: str) -> tuple[Prefix, str]:
    found = cast("re.Match[str]", _PREFIXED.fullmatch(text))  # every text matches
    return cast("Prefix", found[1] or "eq"), found[2]


_PARSERS: Mapping[str, Callable[[str, Parameter, Reading], Value]] = {
    "token": parse_token,
    "string": _parse_string,
    "uri": _parse_uri,
    "reference": _parse_reference,
    "date": parse_date,
    "number": _parse_number,
    "quantity": _parse_quantity,
    "composite": _parse_composite,
    "special": _parse_near,
}
