"""UCUM expressions to a factor and dimensions: `mm[Hg]`, `10*3/uL`, `g/(kg.h)`. https://ucum.org/ucum.

Exact: factors are fractions. What is no UCUM unit has no measure and compares with its own text only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache

from fhir_dmp.fhirpath.ucum_units import BASE_UNITS, BINARY_PREFIXES, METRIC, OTHER, PREFIXES, TEMPERATURES

Dimensions = tuple[tuple[str, int], ...]

_TOKEN = re.compile(r"(?P<symbol>[./()])|(?P<annotation>\{[^{}]*\})|(?P<unit>(?:[^./(){}\[\]\s]|\[[^\[\]\s]*\])+)")
_FACTOR = re.compile(r"0*[1-9]\d*")
_SIMPLE = re.compile(r"(10[*^]|.*?[^0-9+-])([+-]?\d+)?")
MAX_LENGTH = 200
_MAX_EXPONENT = 100
_MAX_NESTING = 10


@dataclass(frozen=True, slots=True)
class Measure:
    """A unit in base units: a value v stands for (v + offset) * factor of the dimensions."""

    factor: Fraction
    dimensions: Dimensions
    offset: Fraction = Fraction(0)


_ONE = Measure(Fraction(1), ())


class _NotUcum(ValueError):
    """This text is no UCUM expression."""


def measure(code: str) -> Measure | None:
    """Returns the measure of a UCUM code, None where it is none."""
    return _measure(code) if 0 < len(code) <= MAX_LENGTH else None


@lru_cache(maxsize=4096)
def _measure(code: str) -> Measure | None:
    if code in TEMPERATURES:
        factor, offset = (Fraction(text) for text in TEMPERATURES[code])
        return Measure(factor, (("K", 1),), offset)
    try:
        return _Terms(_tokenize(code)).read()
    except (_NotUcum, RecursionError):
        return None


def _tokenize(code: str) -> list[str]:
    tokens, position = [], 0
    while position < len(code):
        match = _TOKEN.match(code, position)
        if match is None:
            raise _NotUcum(code)
        tokens.append(match.group())
        position = match.end()
    return tokens


class _Terms:
    """The grammar: terms joined by . and /, with parentheses and annotations."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = [*tokens, ""]
        self._at = 0
        self._depth = 0

    def read(self) -> Measure:
        found = self._term()
        if self._tokens[self._at]:
            raise _NotUcum(self._tokens[self._at])
        return found

    def _next(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def _term(self) -> Measure:
        found = _ONE
        if self._tokens[self._at] == "/":
            self._at += 1
            found = _power(self._component(), -1)
        else:
            found = self._component()
        while self._tokens[self._at] in {".", "/"}:
            sign = 1 if self._next() == "." else -1
            found = _product(found, _power(self._component(), sign))
        return found

    def _component(self) -> Measure:
        part = self._next()
        if part == "(":
            self._depth += 1
            if self._depth > _MAX_NESTING:
                raise _NotUcum(part)
            found = self._term()
            if self._next() != ")":
                raise _NotUcum(part)
            return found
        if part.startswith("{"):
            return _ONE
        if not part or part in "./)":
            raise _NotUcum(part)
        if self._tokens[self._at].startswith("{"):
            self._at += 1
        return Measure(Fraction(int(part)), ()) if _FACTOR.fullmatch(part) else _simple_unit(part)


def _simple_unit(token: str) -> Measure:
    match = _SIMPLE.fullmatch(token)
    if match is None:
        raise _NotUcum(token)
    exponent = int(match[2]) if match[2] else 1
    if abs(exponent) > _MAX_EXPONENT:
        raise _NotUcum(token)
    return _power(_atom(match[1]), exponent)


@cache
def _definitions() -> dict[str, tuple[str, str, bool]]:
    """Each unit's number, what it multiplies, and whether it takes a prefix."""
    found: dict[str, tuple[str, str, bool]] = {}
    for table, metric in ((METRIC, True), (OTHER, False)):
        for symbol, number, unit in re.findall(r"(\S+?)=(\S+) (\S+)", table):
            found[symbol] = (number, unit, metric)
    return found


@lru_cache(maxsize=4096)
def _atom(symbol: str) -> Measure:
    """The measure of a unit with its prefix, if any."""
    known = _unit(symbol)
    if known is not None:
        return known
    for length in (1, 2):
        prefix, rest = symbol[:length], symbol[length:]
        scale = _prefix(prefix)
        if scale is not None and _takes_prefix(rest):
            unit = _unit(rest)
            if unit is not None:
                return Measure(scale * unit.factor, unit.dimensions)
    raise _NotUcum(symbol)


def _prefix(text: str) -> Fraction | None:
    if text in PREFIXES:
        return Fraction(10) ** PREFIXES[text]
    return Fraction(2) ** BINARY_PREFIXES[text] if text in BINARY_PREFIXES else None


def _takes_prefix(symbol: str) -> bool:
    return symbol in BASE_UNITS or (symbol in _definitions() and _definitions()[symbol][2])


@cache
def _unit(symbol: str) -> Measure | None:
    if symbol in BASE_UNITS:
        return Measure(Fraction(1), ((symbol, 1),))
    if symbol not in _definitions():
        return None
    number, unit, _ = _definitions()[symbol]
    if unit.startswith("{"):
        return Measure(Fraction(number), ((unit, 1),))
    made_of = _Terms(_tokenize(unit)).read()
    return Measure(Fraction(number) * made_of.factor, made_of.dimensions)


def _power(base: Measure, exponent: int) -> Measure:
    if exponent == 1:
        return base
    return Measure(
        base.factor**exponent, tuple((name, power * exponent) for name, power in base.dimensions if exponent)
    )


def _product(left: Measure, right: Measure) -> Measure:
    powers = dict(left.dimensions)
    for name, power in right.dimensions:
        powers[name] = powers.get(name, 0) + power
    return Measure(left.factor * right.factor, tuple(sorted((name, power) for name, power in powers.items() if power)))
