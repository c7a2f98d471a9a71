"""Units of measure by the grammar of UCUM §2 to §12, case sensitive: https://ucum.org/ucum.

    term       [/] component { (. | /) component }
    component  ( term ) | symbol [exponent] | digits | {annotation}, each but the last with an annotation or without

Annotations may hold spaces, which UCUM forbids and R4's own value set of common units uses. The symbols are those that
FHIRPath can convert, and those that are on a logarithmic scale or no more in use.
"""

from __future__ import annotations

import re
from functools import cache

from fhir_dmp.fhirpath.ucum import measure
from fhir_dmp.fhirpath.ucum_units import BASE_UNITS, BINARY_PREFIXES, METRIC, OTHER, PREFIXES, TEMPERATURES
from fhir_dmp.terminology.codes import Rule
from fhir_dmp.terminology.membership import YES, Membership, refused, unknown
from fhir_dmp.terminology.standard.standard import Standard, remember

_MORE_METRIC = "Cel [mu_0] B[SPL] B[V] B[mV] B[uV] B[10.nV] B[W] B[kW]"
_MORE = """
[rch_us] [rlk_us] [fth_us] [srd_us] [sct] [twp] [mil_us] [rd_br] [ch_br] [lk_br] [fth_br] [pc_br] [nmi_br] [kn_br]
[acr_br] [pnt_pr] [pca_pr] [pied] [pouce] [ligne] [didot] [cicero] [p'diop] %[slope] [hp'_C] [hp'_M] [hp'_Q] [hp_X]
[hp_C] [hp_M] [hp_Q] [kp_X] [kp_C] [kp_M] [kp_Q] [FEU] Ao b [m/s2/Hz^(1/2)] [NTU] [FNU] bit_s
"""
_TOKEN = re.compile(r"[./()]|(?P<annotation>\{[ -z|~]*\})|(?P<unit>(?:[!-'*+,\--\-0-Z\\^-z|~]|\[[!-Z\\^-~]*\])+)")
_SIMPLE = re.compile(r"(10[*^]|.*?[^0-9+-])(?:[+-]?[0-9]{1,3})?|[0-9]+")
_MAX_LENGTH = 200
_MAX_NESTING = 10
_ENDLESS = unknown("standard-endless", "units are a grammar (UCUM), not a list")


class _NotUcum(ValueError):
    """Says what is wrong with an expression."""


@cache
def _symbols() -> tuple[frozenset[str], frozenset[str]]:
    """The units that take a prefix, and all units."""
    metric = {*BASE_UNITS, *re.findall(r"(\S+?)=\S+ ", METRIC), *_MORE_METRIC.split()}
    other = {*re.findall(r"(\S+?)=\S+ ", OTHER), *TEMPERATURES, *_MORE.split()}
    return frozenset(metric), frozenset(metric | other)


def _is_unit(symbol: str) -> bool:
    metric, units = _symbols()
    if symbol in units:
        return True
    return any(
        symbol[:length] in prefixes and symbol[length:] in metric
        for length in (1, 2)
        for prefixes in (PREFIXES, BINARY_PREFIXES)
    )


def _decide(code: str) -> Membership:
    try:
        _read(code)
    except _NotUcum as fault:
        return refused(f"it is no UCUM unit: {fault}")
    return YES


def _read(code: str) -> None:
    if len(code) > _MAX_LENGTH:
        raise _NotUcum(f"it is longer than {_MAX_LENGTH} characters")
    tokens, position = [], 0
    while position < len(code):
        match = _TOKEN.match(code, position)
        if match is None:
            raise _NotUcum(f"'{code[position]}' at character {position + 1}")
        tokens.append((match.lastgroup or match.group(), match.group()))
        position = match.end()
    _Expression(tokens).read()


class _Expression:
    """Reads tokens (kind, text) from left to right."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = [*tokens, ("end", "")]
        self._at = 0
        self._depth = 0

    def read(self) -> None:
        self._term()
        if self._kind() != "end":
            raise _NotUcum(f"'{self._take()}' is not expected there")

    def _kind(self) -> str:
        return self._tokens[self._at][0]

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1][1]

    def _term(self) -> None:
        if self._kind() == "/":
            self._take()
        self._component()
        while self._kind() in {".", "/"}:
            self._take()
            self._component()

    def _component(self) -> None:
        kind, text = self._kind(), self._take()
        if kind == "annotation":
            return
        if kind == "(":
            self._group()
        elif kind == "unit":
            _check_simple(text)
        else:
            raise _NotUcum(f"a unit is missing before '{text}'" if text else "a unit is missing at its end")
        if self._kind() == "annotation":
            self._take()

    def _group(self) -> None:
        self._depth += 1
        if self._depth > _MAX_NESTING:
            raise _NotUcum(f"parentheses nest deeper than {_MAX_NESTING} levels")
        self._term()
        if self._kind() != ")":
            raise _NotUcum("a parenthesis is not closed")
        self._take()
        self._depth -= 1


def _check_simple(text: str) -> None:
    match = _SIMPLE.fullmatch(text)
    if match is None:
        raise _NotUcum(f"'{text}' is no unit with an exponent")
    if match[1] and not _is_unit(match[1]):
        raise _NotUcum(f"'{match[1]}' is not a unit of it")


def _canonical(code: str) -> str:
    """The base units that a unit is made of: the property `canonical` that value sets filter by."""
    found = measure(code)
    if found is None:
        return code
    return ".".join(f"{name}{power}" for name, power in found.dimensions)


UCUM = Standard(
    "http://unitsofmeasure.org", rest=Rule(remember(_decide), _ENDLESS), properties={"canonical": _canonical}
)
