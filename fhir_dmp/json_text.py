"""FHIR JSON as text and as data: what is read is written again digit for digit, key for key.

Decimals keep their literal (`1.00` stays `1.00`), keys their order; a duplicate key, NaN, a lone surrogate or
nesting beyond a limit is refused. https://hl7.org/fhir/R4/json.html
"""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn, Self

import orjson

from fhir_dmp.outcome import Category, FhirError, error

Json = Any
"""A JSON value: dict, list, str, bool, int, FhirDecimal or None."""
JsonObject = dict[str, Any]

MAX_DEPTH = 100
"""Objects and arrays inside one another; the deepest official example has 23."""


class FhirDecimal(Decimal):
    """A decimal that remembers how it was written: https://hl7.org/fhir/R4/datatypes.html#decimal."""

    __slots__ = ("literal",)

    def __new__(cls, literal: str) -> Self:
        """Reads a JSON number with a fraction or an exponent."""
        self = super().__new__(cls, literal)
        self.literal = literal
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """Is its own copy, as every number; Decimal's would forget the literal."""
        return self

    literal: str


_INTEGER_DIGITS = 18


def parse_json(data: bytes) -> Json:
    """Returns the value of a JSON text; raises FhirError (malformed) that names line and column."""
    try:
        text = data.decode("utf-8")
        if text.startswith("\ufeff"):
            raise _malformed("the body starts with a byte order mark; FHIR JSON is UTF-8 without one")
        value = _DECODER.decode(text)
        if "\\u" in text:
            _refuse_lone_surrogates(value)
    except UnicodeDecodeError as fault:
        raise _malformed(f"the body is not UTF-8 (byte {fault.start})") from None
    except json.JSONDecodeError as fault:
        raise _malformed(f"line {fault.lineno}, column {fault.colno}: {fault.msg}") from None
    except InvalidOperation:
        raise _malformed("a number is beyond what a decimal can hold") from None
    except RecursionError:
        raise _malformed(f"the body nests deeper than {MAX_DEPTH} levels") from None
    return value


def parse_json_object(data: bytes) -> JsonObject:
    """Returns a JSON object with bounded depth; raises FhirError (malformed) for any other text."""
    value = parse_json(data)
    if not isinstance(value, dict):
        raise _malformed("the body is not a JSON object")
    # where so few begin, no more are inside one another
    is_shallow = data.count(b"{") + data.count(b"[") <= MAX_DEPTH
    if not is_shallow and _depth_exceeds(value, MAX_DEPTH):
        raise _malformed(f"the body nests deeper than {MAX_DEPTH} levels")
    return value


def write_json(value: Json, *, indent: bool = False) -> bytes:
    """Returns the JSON text of a value, compact unless indented, keys in their order, decimals as they were read."""
    return orjson.dumps(value, default=_write_other, option=orjson.OPT_INDENT_2 if indent else None)


def _write_other(value: object) -> orjson.Fragment:
    if isinstance(value, FhirDecimal):
        return orjson.Fragment(value.literal)
    if isinstance(value, Decimal | int):
        return orjson.Fragment(str(value))
    raise TypeError(type(value).__name__)


def _object(pairs: list[tuple[str, Json]]) -> JsonObject:
    value = dict(pairs)
    if len(value) != len(pairs):
        times = Counter(name for name, _ in pairs)
        twice = next(name for name, number in times.items() if number > 1)
        raise _malformed(f"the property '{twice[:64]}' appears twice in one object")
    return value


def _integer(literal: str) -> int | FhirDecimal:
    """FHIR integers have 32 bits: a longer literal is kept as a decimal and never converted."""
    return int(literal) if len(literal) <= _INTEGER_DIGITS else FhirDecimal(literal)


def _refuse_constant(name: str) -> NoReturn:
    raise _malformed(f"{name} is not JSON")


def _malformed(message: str) -> FhirError:
    return error(Category.MALFORMED, "json-malformed", f"The body is not acceptable JSON: {message}.")


def _refuse_lone_surrogates(value: Json) -> None:
    try:
        orjson.dumps(value, default=_write_other)
    except TypeError:
        raise _malformed("a string holds half of a surrogate pair") from None


def _depth_exceeds(value: Json, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [item for node in level for item in (node.values() if type(node) is dict else node)]
        level = [item for item in level if type(item) is dict or type(item) is list]
        if not level:
            return False
    return True


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=FhirDecimal, parse_int=_integer, parse_constant=_refuse_constant
)
