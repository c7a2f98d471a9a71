"""`_filter`: the grammar of https://hl7.org/fhir/R4/search_filter.html, and what each comparison asks of a parameter.

    filter   test | [not] ( filter ) | filter and filter | filter or filter
    test     path operation value

`and` and `or` have no precedence: they are read from left to right.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from fhir_dmp.search.modifier import MISSING_VALUE, PLAIN, Modifier, modifiers_of
from fhir_dmp.search.query import And, Clause, Not, Or, StringPart, Value
from fhir_dmp.search.space import WORDED, Parameter
from fhir_dmp.search.values import BadValue, Reading, parse_date, parse_form

FILTER = "_filter"
_MOST_NESTED = _MOST_SWITCHED = 32
"""A clause is so deep at most, together: what builds and runs it goes down level by level."""
_SPACE = re.compile(r"\s*")
_NEGATION = re.compile(r"not\s*\(", re.IGNORECASE)
_JOIN = re.compile(r"(and|or)\b\s*", re.IGNORECASE)
_TEST = re.compile(r'([A-Za-z_][\w\-.:]*)\s+([a-z]{2})\s+("(?:[^"\\]|\\.)*"|[^\s)\]"]+)')
_NUMERIC = frozenset({"eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb"})


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison: a parameter's name, the operation (`eq`, `co`…), the value without its quotes."""

    path: str
    operation: str
    value: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """An operation as a criterion: its modifier, the value as a client writes it, and whether it is negated."""

    modifier: Modifier
    value: str
    negates: bool = False


def parse_filter(text: str, read: Callable[[Test], Clause]) -> Clause:
    """Returns the clause of a filter, whose tests `read` makes. Raises BadValue."""
    reader = _Reader(text, read)
    clause = reader.read_filter()
    if reader.at < len(text):
        raise reader.fault("the end, 'and' or 'or'")
    return clause


def _join(word: str, terms: list[Clause]) -> Clause:
    """One clause of all terms of a row of `and`, or of `or`."""
    if len(terms) == 1:
        return terms[0]
    return And(tuple(terms)) if word == "and" else Or(tuple(terms))


class _Reader:
    def __init__(self, text: str, read: Callable[[Test], Clause]) -> None:
        self._text = text
        self._read = read
        self._nested = self._switched = 0
        self.at = 0

    def read_filter(self) -> Clause:
        terms, word = [self._read_term()], ""
        while joined := self._take(_JOIN):
            if word and joined[1].lower() != word:
                self._switched += 1
                terms = [_join(word, terms)]
            if self._switched > _MOST_SWITCHED:
                raise BadValue(f"and and or take turns more than {_MOST_SWITCHED} times")
            word = joined[1].lower()
            terms.append(self._read_term())
        return _join(word, terms)

    def fault(self, wanted: str) -> BadValue:
        """Says what was expected at this place."""
        return BadValue(f"at character {self.at + 1}, {wanted} is expected")

    def _read_term(self) -> Clause:
        self._take(_SPACE)
        if self._take(_NEGATION):
            return Not(self._read_group())
        if self._text.startswith("(", self.at):
            self.at += 1
            return self._read_group()
        start = self.at
        found = self._take(_TEST)
        if found is None:
            raise self.fault("a test (name operation value)")
        try:
            return self._read(Test(found[1], found[2], _unquote(found[3])))
        except BadValue as fault:
            raise BadValue(f"at character {start + 1}, {fault}") from None

    def _read_group(self) -> Clause:
        self._nested += 1
        if self._nested > _MOST_NESTED:
            raise BadValue(f"parentheses are more than {_MOST_NESTED} deep")
        clause = self.read_filter()
        if not self._text.startswith(")", self.at):
            raise self.fault("')'")
        self.at += 1
        self._take(_SPACE)
        self._nested -= 1
        return clause

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Moves behind what is here, and the space after it, if it is of a pattern."""
        found = pattern.match(self._text, self.at)
        if found:
            behind = _SPACE.match(self._text, found.end())
            self.at = behind.end() if behind else found.end()
        return found


def _unquote(text: str) -> str:
    if not text.startswith('"'):
        return text
    try:
        value: str = json.loads(text, strict=False)
        value.encode()  # an escape may be half of a surrogate pair, which no store can hold
    except ValueError:
        raise BadValue("a string is written as in JSON") from None
    return value


def compare(parameter: Parameter, test: Test) -> Comparison:
    """Returns the criterion of a test. Raises BadValue where the parameter has no such operation."""
    if test.operation == "pr":
        return _present(parameter, test.value)
    operations = dict(_operations(parameter))
    if test.operation not in operations:
        known = ", ".join(sorted({*operations, *(["pr"] if _takes_presence(parameter) else [])}))
        raise BadValue(f"{parameter.code} has no {test.operation}; it has {known}")
    modifier, prefix = operations[test.operation]
    special = ",\\$|" if parameter.type == "string" else ",\\"
    escaped = "".join(f"\\{character}" if character in special else character for character in test.value)
    return Comparison(modifier, prefix + escaped, negates=test.operation == "ne" and not prefix)


def _present(parameter: Parameter, value: str) -> Comparison:
    if value not in {"true", "false"} or not _takes_presence(parameter):
        raise BadValue(f"pr of {parameter.code} is true or false" if _takes_presence(parameter) else "it has no pr")
    return Comparison(MISSING_VALUE, "false" if value == "true" else "true")


def _takes_presence(parameter: Parameter) -> bool:
    return MISSING_VALUE.name in modifiers_of(parameter)


def _operations(parameter: Parameter) -> Iterator[tuple[str, tuple[Modifier, str]]]:
    """The operations of a parameter, each a modifier and a prefix."""
    if parameter.type in {"date", "number", "quantity"}:
        yield from ((name, (PLAIN, name)) for name in sorted(_NUMERIC))
        if parameter.type == "date":
            yield "po", (_OVERLAPPING, "")
        return
    offered = modifiers_of(parameter)
    if parameter.type == "string" and parameter.code not in WORDED:
        yield from (("eq", (_WHOLE, "")), ("ne", (_WHOLE, "")), ("ew", (_ENDING, "")), ("sw", (PLAIN, "")))
        yield "co", (offered["contains"], "")
        return
    yield from (("eq", (PLAIN, "")), ("ne", (PLAIN, "")))
    if parameter.type == "reference":
        yield "re", (PLAIN, "")
    for name, modifier in (("in", "in"), ("ss", "below"), ("sb", "above")):
        if modifier in offered:
            yield name, (offered[modifier], "")


def _read_whole(text: str, _parameter: Parameter, _reading: Reading) -> Iterator[Value]:
    yield StringPart(parse_form(text), "whole")


def _read_ending(text: str, _parameter: Parameter, _reading: Reading) -> Iterator[Value]:
    yield StringPart(parse_form(text), "end")


def _read_overlapping(text: str, parameter: Parameter, reading: Reading) -> Iterator[Value]:
    value = parse_date(text, parameter, reading)
    if value.prefix != "eq":
        raise BadValue("po takes a date without prefix")
    yield replace(value, prefix="ap")


_WHOLE, _ENDING = Modifier("", _read_whole), Modifier("", _read_ending)
_OVERLAPPING = Modifier("", _read_overlapping)
