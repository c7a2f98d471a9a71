"""ValueSet.compose.include.filter: one condition on the concepts of a code system, compiled to a predicate.

https://hl7.org/fhir/R4/valueset-definitions.html#ValueSet.compose.include.filter,
operators: https://hl7.org/fhir/R4/valueset-filter-operator.html
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from fhir_dmp.json_text import JsonObject
from fhir_dmp.regex.automaton import compile_regex
from fhir_dmp.regex.pattern import NotRegular
from fhir_dmp.terminology.code_system import CodeSystem, write_number
from fhir_dmp.terminology.codes import Decide
from fhir_dmp.terminology.membership import NO, YES, Membership, negate, unknown

_IDENTITY = frozenset({"concept", "code"})
_HIERARCHY = frozenset({"parent", "child"})
_PARTIAL = "only a part of its hierarchy is here"
_DEFAULTS = {"inactive": "false", "notSelectable": "false"}
Values = Callable[[str], list[str] | None]
"""The values of a property by a concept's key; None where they are not known."""
Test = Callable[[list[str]], bool]


def compile_filter(system: CodeSystem, row: JsonObject) -> Decide:
    """Returns the predicate of a filter over the keys of a code system."""
    name, operator, value = row["property"], row["op"], row["value"]
    if operator in _SETS:
        return _compile_hierarchical(system, name, operator, value)
    build = _TESTS.get(operator)
    if build is None:
        return _always(_unevaluated(system, f"the operator '{operator}' is not one of R4"))
    values = _written(system) if operator == "regex" and name in _IDENTITY else _values_of(system, name)
    if values is None:
        return _always(_unevaluated(system, f"its concepts have no property '{name}' here"))
    try:
        test = build(_normalise(system, name), value)
    except NotRegular as fault:
        return _always(_unevaluated(system, f"its regular expression is not supported: {fault}"))
    role = _role(system, name)
    default = [_DEFAULTS[role]] if operator != "exists" and role in _DEFAULTS else []
    otherwise = _unevaluated(system, _PARTIAL) if role in _HIERARCHY and not system.complete else NO
    return _decide_by(values, lambda found: YES if test(found or default) else otherwise, system)


def _always(answer: Membership) -> Decide:
    return lambda _: answer


def _unevaluated(system: CodeSystem, reason: str) -> Membership:
    return unknown("filter-not-evaluated", f"a filter on {system.name} could not be evaluated: {reason}")


def _compile_hierarchical(system: CodeSystem, name: str, operator: str, value: str) -> Decide:
    if name not in _IDENTITY:
        return _always(_unevaluated(system, f"'{operator}' is about concepts, not about '{name}'"))
    key = system.key(value)
    reason = f"'{value}' is not in it"
    if key not in system.concepts:
        reason = "its hierarchy is not here" if system.standard or not system.complete else reason
        known = {key} if operator in {"is-a", "generalizes"} else set()
        return _within(known, _unevaluated(system, reason))
    keys = _SETS[operator](system, key)
    inside = _within(keys, NO if system.complete else _unevaluated(system, _PARTIAL))
    return (lambda other: negate(inside(other))) if operator == "is-not-a" else inside


def _within(keys: Collection[str], otherwise: Membership) -> Decide:
    return lambda key: YES if key in keys else otherwise


_SETS: dict[str, Callable[[CodeSystem, str], set[str]]] = {
    "is-a": lambda system, key: {key} | system.descendants(key),
    "descendent-of": lambda system, key: system.descendants(key),
    "is-not-a": lambda system, key: {key} | system.descendants(key),
    "generalizes": lambda system, key: {key} | system.ancestors(key),
}


def _decide_by(values: Values, answer: Callable[[list[str]], Membership], system: CodeSystem) -> Decide:
    absent = _unevaluated(system, "the concept is not here")

    def decide(key: str) -> Membership:
        found = values(key)
        return absent if found is None else answer(found)

    return decide


def _role(system: CodeSystem, name: str) -> str:
    """What a property means to FHIR, whatever the code system calls it."""
    return next((role for role, code in system.code_of.items() if code == name), "")


def _written(system: CodeSystem) -> Values:
    """Codes as they are written, where keys are in small letters."""
    return lambda key: [system.concepts[key]["code"] if key in system.concepts else key]


def _values_of(system: CodeSystem, name: str) -> Values | None:
    """How a property is read: of any code, or of those that are known."""
    if name in _IDENTITY:
        return lambda key: [key]
    if system.standard is not None and name in system.standard.properties:
        read_standard = system.standard.properties[name]
        return lambda key: [read_standard(key)]
    read = _reader(system, name)
    if read is None:
        return None
    return lambda key: read(key) if key in system.concepts else None


def _reader(system: CodeSystem, name: str) -> Callable[[str], list[str]] | None:
    if name == system.code_of["parent"]:
        return system.parents
    if name == system.code_of["child"]:
        return system.children
    if name in {"display", "definition"} and name not in system.types:
        present = any(name in concept for concept in system.concepts.values())
        return (lambda key: [system.concepts[key].get(name, "")]) if present else None
    return (lambda key: system.values(key, name)) if name in system.properties else None


def _normalise(system: CodeSystem, name: str) -> Callable[[str], str]:
    """How a filter writes values of a property, so that they compare as text."""
    if name in _IDENTITY or name in {system.code_of["parent"], system.code_of["child"]}:
        return system.key
    if system.standard is not None and name in system.standard.properties:
        return system.standard.properties[name]
    return write_number if system.types.get(name) == "decimal" else str


def _equals(normalise: Callable[[str], str], value: str) -> Test:
    wanted = normalise(value)
    return lambda values: wanted in values


def _in(normalise: Callable[[str], str], value: str) -> Test:
    wanted = {normalise(part.strip()) for part in value.split(",")}
    return lambda values: not wanted.isdisjoint(values)


def _not_in(normalise: Callable[[str], str], value: str) -> Test:
    within = _in(normalise, value)
    return lambda values: not within(values)


def _regex(_: Callable[[str], str], value: str) -> Test:
    matches = compile_regex(value)
    return lambda values: any(map(matches, values))


def _exists(_: Callable[[str], str], value: str) -> Test:
    return lambda values: bool(values) is (value == "true")


_TESTS: dict[str, Callable[[Callable[[str], str], str], Test]] = {
    "=": _equals,
    "in": _in,
    "not-in": _not_in,
    "regex": _regex,
    "exists": _exists,
}
