"""Search parameters → SearchQuery. https://hl7.org/fhir/R4/search.html.

Whatever the text, the only exception is FhirError. A parameter that is not understood never widens a result in
silence: it is refused, or (lenient) left out of `used` with a warning in `ignored`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Literal, TypeVar

from fhir_dmp.instant import Milliseconds
from fhir_dmp.outcome import Category, FhirError, Issue, error
from fhir_dmp.resource import is_id
from fhir_dmp.search.chain import (
    HAS,
    LIST,
    LIST_PARAMETER,
    LIST_TYPE,
    find_hops,
    find_target,
    is_join,
    refuse_unknown,
    split_chain,
    split_has,
)
from fhir_dmp.search.escape import is_well_escaped, split, unescape
from fhir_dmp.search.filtering import FILTER, Test, compare, parse_filter
from fhir_dmp.search.include import is_include, parse_include
from fhir_dmp.search.links import patient_id
from fhir_dmp.search.modifier import MISSING_VALUE, PLAIN, Modifier, find_modifier, modifiers_of
from fhir_dmp.search.query import (
    AboutPatient,
    And,
    Chained,
    Clause,
    Everything,
    Handling,
    Has,
    Hop,
    Include,
    LastUpdated,
    LinkValue,
    Not,
    OfType,
    Referred,
    SearchQuery,
    Sort,
    Total,
    Value,
    WithId,
    all_of,
    any_of,
)
from fhir_dmp.search.result import (
    INCLUSIONS,
    RESULT_PARAMETERS,
    check_contained,
    parse_count,
    parse_sort,
    parse_summary,
    parse_total,
)
from fhir_dmp.search.space import ALWAYS, Main, Parameter, SearchSpace
from fhir_dmp.search.terms import NO_TERMS, Terms, refuse
from fhir_dmp.search.values import BadValue, Reading, parse_date
from fhir_dmp.subset import Subset, Summary

_SHOWN = 64
"""Of a name or value, so many characters are repeated in a message."""
_HINTS = 10
"""Only the first unknown parameters get a proposal: finding one takes time."""
Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one search. `comparisons` counts alternatives times the types they may be of.

    `codes` is what the value sets and hierarchies that it names may have together, `hops` how often its chains may go
    from one resource to another.
    """

    parameters: int = 200
    value_length: int = 8192
    alternatives: int = 1000
    comparisons: int = 10_000
    codes: int = 5000
    hops: int = 8
    includes: int = 32
    sort_keys: int = 8
    count: int = 1000


@dataclass(slots=True)
class _Cost:
    """What a search has asked for so far: codes of value sets and hierarchies, and hops of chains."""

    listed: int = 0
    hops: int = 0


@dataclass(slots=True)
class _Draft:
    """A query in the making."""

    resource_types: tuple[str, ...]
    known: Mapping[str, Parameter]
    reading: Reading
    limits: Limits
    cost: _Cost = field(default_factory=_Cost)
    clauses: list[Clause] = field(default_factory=list)
    sort: tuple[Sort, ...] = ()
    count: int | None = None
    summary: Summary | Literal["count"] | None = None
    elements: frozenset[str] = frozenset()
    total: Total | None = None
    includes: list[Include] = field(default_factory=list)
    used: list[tuple[str, str]] = field(default_factory=list)
    unknown: list[Issue] = field(default_factory=list)


def parse_search(  # noqa: PLR0913  five of them are named
    resource_type: str | None,
    parameters: Sequence[tuple[str, str]],
    *,
    space: SearchSpace,
    handling: Handling,
    now: Milliseconds,
    limits: Limits = Limits(),
    terms: Terms = NO_TERMS,
) -> SearchQuery:
    """Returns the query of some parameters (decoded, in order) on a type, or (None) on all types or those of `_type`.

    Without `terms`, the modifiers that need them are not supported. Raises FhirError: invalid parameter where a value,
    a modifier or (strict) a parameter is not acceptable; too costly beyond the limits; unprocessable where the codes
    that a modifier asks for cannot be listed.
    """
    _check_bounds(parameters, limits)
    given = [(name, value) for name, value in parameters if value]
    types, rest = ((resource_type,), given) if resource_type else _take_types(given, space)
    draft = _Draft(types, space.common_parameters(types), Reading(space, now, terms, limits.codes), limits)
    draft.used = [pair for pair in given if pair not in rest]
    for name, value in rest:
        _add(draft, name, value)
    _refuse_text_of_included(parameters, draft.summary)
    if draft.unknown and handling is Handling.STRICT:
        raise FhirError(Category.INVALID_PARAMETER, *draft.unknown)
    return SearchQuery(
        resource_types=types,
        clause=all_of([OfType(types), *draft.clauses]),
        sort=draft.sort,
        count=0 if draft.summary == "count" else draft.count,
        total=draft.total,
        used=tuple(draft.used),
        ignored=tuple(Issue("warning", issue.code, issue.message, issue.expression) for issue in draft.unknown),
        subset=_subset(draft),
        includes=tuple(draft.includes),
    )


def _subset(draft: _Draft) -> Subset | None:
    """What to keep of each match: a summary, or else the elements that are named."""
    if draft.summary and draft.summary != "count":
        return Subset(draft.summary, frozenset())
    return Subset(None, draft.elements) if draft.elements else None


def _refuse_text_of_included(parameters: Sequence[tuple[str, str]], summary: str | None) -> None:
    """R4: "_summary=text" goes with no inclusion, https://hl7.org/fhir/R4/search.html#summary."""
    included = next((name for name, value in parameters if value and name.partition(":")[0] in INCLUSIONS), "")
    if included and summary == "text":
        raise _invalid("parameter-value", f"_summary=text does not go with {included[:_SHOWN]}.", "_summary")


def _check_bounds(parameters: Sequence[tuple[str, str]], limits: Limits) -> None:
    if len(parameters) > limits.parameters:
        raise _too_costly(f"A search takes at most {limits.parameters} parameters.", "")
    for name, value in parameters:
        if len(value) > limits.value_length:
            raise _too_costly(f"A search value has at most {limits.value_length} characters.", name)
        if not _is_unicode(name + value):
            raise _invalid("parameter-value", "A search parameter is not valid Unicode.", "")


def _is_unicode(text: str) -> bool:
    """Tells whether a text has no half of a surrogate pair, which no store can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _take_types(given: list[tuple[str, str]], space: SearchSpace) -> tuple[tuple[str, ...], list[tuple[str, str]]]:
    """The types of a search on the system, and its parameters but `_type`."""
    named = [frozenset(filter(None, value.split(","))) for name, value in given if name == "_type"]
    asked = [names for names in named if names]
    for resource_type in sorted(frozenset().union(*asked).difference(space.resource_types)):
        raise _invalid("parameter-value", f"_type names {resource_type[:_SHOWN]}, which is no type here.", "_type")
    types = tuple(sorted(frozenset.intersection(*asked))) if asked else space.resource_types
    return types, [pair for pair in given if pair[0] != "_type"]


def _add(draft: _Draft, name: str, value: str) -> None:
    if is_include(name):
        _add_include(draft, name, value)
    elif name == "_query":
        raise _invalid("parameter-query", "This server has no named query.", name)
    elif name in RESULT_PARAMETERS:
        _add_result(draft, name, value)
    elif name in draft.known or ":" in name or is_join(name):
        clause = _parse_join(draft, name, value) if is_join(name) else _parse_criterion(draft, name, value)
        if clause is not None:
            draft.clauses.append(clause)
            draft.used.append((name, value))
    else:
        known = draft.known if len(draft.unknown) < _HINTS else {}
        draft.unknown.append(_unknown(name, known))


def _parse_join(draft: _Draft, name: str, value: str) -> Clause | None:
    """As _parse_criterion; what is wrong somewhere along a chain is wrong with the parameter that the client wrote."""
    try:
        return _parse_criterion(draft, name, value)
    except FhirError as fault:
        raise refuse(fault, _expression(name)) from None


def _parse_criterion(draft: _Draft, name: str, value: str) -> Clause | None:
    """What a parameter asks of the resources of the draft's types, None where its value names nothing."""
    if name.startswith(HAS):
        hops = find_hops(name, draft.resource_types, draft.reading.space)
        inner = _parse_inner(draft, hops[0].resource_type, split_has(name)[2], value, name)
        return None if inner is None else any_of([Referred(hop, inner) for hop in hops])
    if "." in name:
        code, _, rest = split_chain(name)
        target = find_target(draft.known.get(code), name, draft.reading.space)
        inner = _parse_inner(draft, target, rest, value, name)
        ways = [Hop(kind, code, target) for kind in draft.resource_types]
        return None if inner is None else any_of([Chained(way, inner) for way in ways])
    if name == LIST:
        return _parse_list(draft, value)
    if name == FILTER:
        return _parse_filter(draft, value)
    if ":" in name:
        return _parse_modified(draft, name, value)
    return _parse_values(draft, draft.known[name], value)


def _parse_inner(draft: _Draft, resource_type: str, name: str, value: str, whole: str) -> Clause | None:
    """What the rest of a chain asks of the resources that it has come to."""
    inner = _behind(draft, resource_type, whole)
    if not (name in inner.known or ":" in name or is_join(name)):
        raise refuse_unknown(whole, name, resource_type)
    return _parse_criterion(inner, name, value)


def _behind(draft: _Draft, resource_type: str, whole: str) -> _Draft:
    """The draft of what is asked of the resources behind one more hop."""
    draft.cost.hops += 1
    if draft.cost.hops > draft.limits.hops:
        message = f"The chains of a search may go from one resource to another {draft.limits.hops} times in all."
        raise _too_costly(message, whole)
    return _Draft(
        (resource_type,), draft.reading.space.parameters(resource_type), draft.reading, draft.limits, draft.cost
    )


def _parse_list(draft: _Draft, value: str) -> Clause | None:
    """The resources that the entries of a List refer to: https://hl7.org/fhir/R4/search.html#list."""
    space = draft.reading.space
    if LIST_PARAMETER not in space.parameters(LIST_TYPE):
        raise _invalid("parameter-unknown", "This server has no Lists.", LIST)
    ids = tuple(_read(LIST, part, _parse_id) for part in split(value, ",") if part)
    inner = WithId(LIST_TYPE, ids)
    hops = [Hop(LIST_TYPE, LIST_PARAMETER, kind) for kind in draft.resource_types]
    return any_of([Referred(hop, inner) for hop in hops]) if ids else None


def _add_include(draft: _Draft, name: str, value: str) -> None:
    if len(draft.includes) >= draft.limits.includes:
        raise _too_costly(f"A search takes at most {draft.limits.includes} includes.", name)
    try:
        draft.includes.append(parse_include(name, value, draft.reading.space))
        draft.used.append((name, value))
    except BadValue as fault:
        message = f"{name[:_SHOWN]}={value[:_SHOWN]} is not supported here: {fault}."
        draft.unknown.append(Issue("error", "parameter-unknown", message, _expression(name)))


def _parse_filter(draft: _Draft, value: str) -> Clause:
    return _read(FILTER, value, lambda text: parse_filter(text, lambda test: _compare(draft, test)))


def _compare(draft: _Draft, test: Test) -> Clause:
    """What one test of a filter asks; a path of several names is a chain."""
    if "." in test.path:
        return _compare_chained(draft, test)
    parameter = draft.known.get(test.path)
    if parameter is None or parameter.code == FILTER:
        raise BadValue(f"the search parameter {test.path[:_SHOWN]} is unknown or not supported in a filter")
    comparison = compare(parameter, test)
    clause = _criterion(draft, parameter, [comparison.value], comparison.modifier)
    is_absent = comparison.modifier is MISSING_VALUE and comparison.value == "true"
    return Not(clause) if comparison.negates or is_absent else clause


def _compare_chained(draft: _Draft, test: Test) -> Clause:
    code, _, rest = split_chain(test.path)
    target = find_target(draft.known.get(code), test.path, draft.reading.space)
    inner = _compare(_behind(draft, target, FILTER), replace(test, path=rest))
    return any_of([Chained(Hop(kind, code, target), inner) for kind in draft.resource_types])


def _parse_modified(draft: _Draft, name: str, value: str) -> Clause | None:
    code, _, suffix = name.partition(":")
    parameter = draft.known.get(code)
    modifier = find_modifier(parameter, suffix) if parameter else None
    if parameter is None or modifier is None:
        offered = modifiers_of(parameter) if parameter else {}
        known = f" It takes {', '.join(f':{item}' for item in offered)}." if offered else ""
        message = f"The modifier :{suffix[:_SHOWN]} of {code[:_SHOWN]} is not supported.{known}"
        raise _invalid("parameter-modifier", message, name)
    return _parse_values(draft, parameter, value, modifier)


def _unknown(name: str, known: Mapping[str, Parameter]) -> Issue:
    near = get_close_matches(name[:_SHOWN], known, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    message = f"The search parameter {name[:_SHOWN]} is unknown or not supported here.{hint}"
    return Issue("error", "parameter-unknown", message, _expression(name))


def _parse_values(draft: _Draft, parameter: Parameter, value: str, modifier: Modifier = PLAIN) -> Clause | None:
    name = _written(parameter, modifier)
    if not is_well_escaped(value):
        raise _bad_value(name, value, BadValue("a backslash must be followed by one of , | $ \\"))
    alternatives = [part for part in split(value, ",") if part]
    if not alternatives:
        return None
    if len(alternatives) > draft.limits.alternatives:
        message = f"A search value has at most {draft.limits.alternatives} alternatives."
        raise _too_costly(message, name)
    if modifier is MISSING_VALUE and len(alternatives) > 1:
        raise _bad_value(name, value, BadValue("it is true or false"))
    clause = _criterion(draft, parameter, alternatives, modifier)
    is_negated = modifier.negates or (modifier is MISSING_VALUE and value == "true")
    return Not(clause) if is_negated else clause


def _criterion(draft: _Draft, parameter: Parameter, alternatives: list[str], modifier: Modifier) -> Clause:
    name = _written(parameter, modifier)

    def read(parse: Callable[[str], Parsed]) -> tuple[Parsed, ...]:
        return tuple(_read(name, part, parse) for part in alternatives)

    if parameter.code in ALWAYS and modifier is MISSING_VALUE:
        read(lambda text: tuple(modifier.read(text, parameter, draft.reading)))
        return Everything()
    if parameter.code == "_id":
        ids = read(_parse_id)
        return any_of([WithId(resource_type, ids) for resource_type in draft.resource_types])
    if parameter.code == "_lastUpdated":
        return LastUpdated(read(lambda text: parse_date(text, parameter, draft.reading)))
    values = _read_values(draft, parameter, alternatives, modifier)
    return any_of([_has(draft, parameter, modifier, kind, values) for kind in draft.resource_types])


def _read_values(draft: _Draft, parameter: Parameter, alternatives: list[str], modifier: Modifier) -> tuple[Value, ...]:
    """What some alternatives ask; each is counted as it is read, since a value set can be long."""
    name, limits = _written(parameter, modifier), draft.limits
    values: list[Value] = []
    comparisons = 0
    for part in alternatives:
        more = _read(name, part, lambda text: tuple(modifier.read(text, parameter, draft.reading)))
        values += more
        draft.cost.listed += len(more) - 1
        comparisons += sum(len(value.texts) if isinstance(value, LinkValue) else 1 for value in more)
        if draft.cost.listed > limits.codes:
            message = f"The value sets and hierarchies of a search may have at most {limits.codes:,} codes together."
            raise _too_costly(message, name)
        if comparisons * len(draft.resource_types) > limits.comparisons:
            raise _too_costly(f"A parameter may ask for at most {limits.comparisons} comparisons.", name)
    return tuple(values)


def _written(parameter: Parameter, modifier: Modifier) -> str:
    return f"{parameter.code}:{modifier.name}" if modifier.name else parameter.code


def _has(
    draft: _Draft, parameter: Parameter, modifier: Modifier, resource_type: str, values: tuple[Value, ...]
) -> Clause:
    """Asking for a Patient's reference where a resource has one at most is asking whom it is about."""
    main = draft.reading.space.main(resource_type)
    if parameter.code in main.patient_aliases and not modifier.facts:
        patients = [patient_id(text) for value in values if isinstance(value, LinkValue) for text in value.texts]
        if patients and all(patients):
            return And((OfType((resource_type,)), AboutPatient(tuple(patients))))
    name = f"{parameter.code}{modifier.facts}"
    return Has(resource_type, name, values, name in {main.date, main.code})


def _parse_id(text: str) -> str:
    if not is_id(unescape(text)):
        raise BadValue("an id has 1 to 64 letters, digits, hyphens and dots")
    return unescape(text)


def _add_result(draft: _Draft, name: str, value: str) -> None:
    if any(name == other for other, _ in draft.used):
        raise _invalid("parameter-repeated", f"{name} is given more than once.", name)
    if name == "_sort":
        _add_sort(draft, value)
    elif name == "_elements":
        _add_elements(draft, value)
    else:
        _set_result(draft, name, value)
        draft.used.append((name, str(draft.count) if name == "_count" else value))


def _set_result(draft: _Draft, name: str, value: str) -> None:
    if name == "_summary":
        draft.summary = _read(name, value, parse_summary)
    elif name == "_total":
        draft.total = _read(name, value, parse_total)
    elif name == "_count":
        draft.count = _read(name, value, lambda text: parse_count(text, draft.limits.count))
    else:
        _read(name, value, lambda text: check_contained(name, text))


def _add_elements(draft: _Draft, value: str) -> None:
    registry = draft.reading.space.registry
    known = {child.element.name for name in draft.resource_types for child in registry.group(name).properties.values()}
    named = dict.fromkeys(filter(None, (part.strip() for part in value.split(","))))
    for name in [name for name in named if name not in known][:_HINTS]:
        message = f"_elements names {name[:_SHOWN]}, which is no element at the root of what is searched."
        draft.unknown.append(Issue("error", "parameter-unknown", message, _expression("_elements")))
    draft.elements = frozenset(named) & known
    if draft.elements:
        draft.used.append(("_elements", ",".join(name for name in named if name in known)))


def _add_sort(draft: _Draft, value: str) -> None:
    is_one_type = len(draft.resource_types) == 1
    main = draft.reading.space.main(draft.resource_types[0]) if is_one_type else Main()
    keys = list(parse_sort(value, draft.known if is_one_type else {}, main.date))
    if len(keys) > draft.limits.sort_keys:
        raise _too_costly(f"_sort takes at most {draft.limits.sort_keys} keys.", "_sort")
    understood: dict[str, tuple[str, Sort]] = {}
    for written, sort in keys:
        if sort is None:
            message = f"_sort by {written.removeprefix('-')[:_SHOWN]} is not supported here."
            draft.unknown.append(Issue("error", "parameter-unknown", message, _expression("_sort")))
        else:
            understood.setdefault(sort.parameter, (written, sort))
    draft.sort = tuple(sort for _, sort in understood.values())
    if draft.sort:
        draft.used.append(("_sort", ",".join(written for written, _ in understood.values())))


def _read(name: str, text: str, parse: Callable[[str], Parsed]) -> Parsed:
    try:
        return parse(text)
    except BadValue as fault:
        raise _bad_value(name, text, fault) from None
    except FhirError as fault:
        raise refuse(fault, _expression(name)) from None


def _bad_value(name: str, text: str, fault: BadValue) -> FhirError:
    shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return _invalid("parameter-value", f"The value '{shown}' of {name} is not acceptable: {fault}.", name)


def _invalid(code: str, message: str, name: str) -> FhirError:
    return error(Category.INVALID_PARAMETER, code, message, _expression(name))


def _too_costly(message: str, name: str) -> FhirError:
    return error(Category.TOO_COSTLY, "search-too-costly", message, _expression(name))


def _expression(name: str) -> str:
    """What R4 writes into OperationOutcome.issue.expression for a parameter."""
    return f"http.{name[:_SHOWN]}" if name else ""
