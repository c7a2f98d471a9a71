"""Search parameters → SearchQuery. https://hl7.org/fhir/R4/search.html.

Whatever the text, the only exception is FhirError. A parameter that is not understood never widens a result in
silence: it is refused, or (lenient) left out of `used` with a warning in `ignored`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from fhir_dmp.instant import Milliseconds
from fhir_dmp.outcome import Category, FhirError, Issue
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
from fhir_dmp.search.contained import INSIDE
from fhir_dmp.search.draft import (
    HINTS,
    SHOWN,
    STANDARD,
    Draft,
    Limits,
    Parsed,
    bad_value,
    expression_of,
    invalid,
    read_as,
    too_costly,
)
from fhir_dmp.search.escape import is_well_escaped, split, unescape
from fhir_dmp.search.filtering import FILTER, Test, compare, parse_filter
from fhir_dmp.search.include import is_include
from fhir_dmp.search.links import patient_id
from fhir_dmp.search.modifier import MISSING_VALUE, PLAIN, Modifier, find_modifier, modifiers_of
from fhir_dmp.search.query import (
    AboutPatient,
    And,
    Chained,
    Clause,
    Contained,
    Contains,
    Everything,
    Handling,
    Has,
    Hop,
    LastUpdated,
    LinkValue,
    Not,
    OfType,
    Or,
    Referred,
    SearchQuery,
    Value,
    WithId,
    all_of,
    any_of,
)
from fhir_dmp.search.result import RESULT_PARAMETERS, find_contained
from fhir_dmp.search.shape import add_include, add_result, refuse_text_of_included, subset_of
from fhir_dmp.search.space import ALWAYS, WORDED, Parameter, SearchSpace
from fhir_dmp.search.terms import NO_TERMS, Terms, refuse
from fhir_dmp.search.values import BadValue, Reading, parse_date


def parse_search(  # noqa: PLR0913  five of them are named
    resource_type: str | None,
    parameters: Sequence[tuple[str, str]],
    *,
    space: SearchSpace,
    handling: Handling,
    now: Milliseconds,
    limits: Limits = STANDARD,
    terms: Terms = NO_TERMS,
    may_contain: bool = False,
) -> SearchQuery:
    """Returns the query of some parameters (decoded, in order) on a type, or (None) on all types or those of `_type`.

    Without `terms`, the modifiers that need them are not supported. `may_contain` lets it ask for contained resources:
    its clause is then of their containers, which are of any type, and so are `resource_types`.

    Raises FhirError: invalid parameter where a value, a modifier or (strict) a parameter is not acceptable; too costly
    beyond the limits; unprocessable where the codes that a modifier asks for cannot be listed.
    """
    _check_bounds(parameters, limits)
    given = [(name, value) for name, value in parameters if value]
    types, rest = ((resource_type,), given) if resource_type else _take_types(given, space)
    contained = find_contained(rest) if may_contain else Contained.LEFT_OUT
    known = _known(types, space, contained)
    draft = Draft(types, known, Reading(space, now, terms, limits.codes), limits, contained=contained)
    draft.used = [pair for pair in given if pair not in rest]
    for name, value in rest:
        _add(draft, name, value)
    refuse_text_of_included(parameters, draft.summary)
    if draft.unknown and handling is Handling.STRICT:
        raise FhirError(Category.INVALID_PARAMETER, *draft.unknown)
    return SearchQuery(
        resource_types=types if contained is Contained.LEFT_OUT else space.resource_types,
        clause=_complete(draft, is_both=("_contained", "both") in draft.used),
        sort=draft.sort,
        count=0 if draft.summary == "count" else draft.count,
        total=draft.total,
        used=tuple(draft.used),
        ignored=tuple(Issue("warning", issue.code, issue.message, issue.expression) for issue in draft.unknown),
        subset=subset_of(draft),
        includes=tuple(draft.includes),
        contained=contained,
    )


def _known(types: tuple[str, ...], space: SearchSpace, contained: Contained) -> Mapping[str, Parameter]:
    """The parameters of a search; contained resources have neither places nor facts of this server's own parameters."""
    known = space.common_parameters(types)
    if contained is Contained.LEFT_OUT:
        return known
    own = {code for name in types for code in space.own.get(name, {})}
    places = {code for code, item in known.items() if item.type == "special"}.difference(WORDED, {FILTER})
    return {code: item for code, item in known.items() if code not in own | places}


def _complete(draft: Draft, *, is_both: bool) -> Clause:
    """What is asked of the resources of the types, or of those that contain such ones."""
    clause = all_of([OfType(draft.resource_types), *draft.clauses])
    if draft.contained is Contained.LEFT_OUT:
        return clause
    return Or((clause, Contains(clause))) if is_both else Contains(clause)


def _check_bounds(parameters: Sequence[tuple[str, str]], limits: Limits) -> None:
    if len(parameters) > limits.parameters:
        raise too_costly(f"A search takes at most {limits.parameters} parameters.", "")
    for name, value in parameters:
        if len(value) > limits.value_length:
            raise too_costly(f"A search value has at most {limits.value_length} characters.", name)
        if not _is_unicode(name + value):
            raise invalid("parameter-value", "A search parameter is not valid Unicode.", "")


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
        raise invalid("parameter-value", f"_type names {resource_type[:SHOWN]}, which is no type here.", "_type")
    types = tuple(sorted(frozenset.intersection(*asked))) if asked else space.resource_types
    return types, [pair for pair in given if pair[0] != "_type"]


def _add(draft: Draft, name: str, value: str) -> None:
    if is_include(name):
        add_include(draft, name, value)
    elif name == "_query":
        raise invalid("parameter-query", "This server has no named query.", name)
    elif name in RESULT_PARAMETERS:
        add_result(draft, name, value)
    elif name in draft.known or ":" in name or is_join(name):
        clause = _parse_join(draft, name, value) if is_join(name) else _parse_criterion(draft, name, value)
        if clause is not None:
            draft.clauses.append(clause)
            draft.used.append((name, value))
    else:
        known = draft.known if len(draft.unknown) < HINTS else {}
        draft.unknown.append(_unknown(name, known))


def _parse_join(draft: Draft, name: str, value: str) -> Clause | None:
    """As _parse_criterion; what is wrong somewhere along a chain is wrong with the parameter that the client wrote."""
    if draft.contained is not Contained.LEFT_OUT and (name.startswith(HAS) or name == LIST):
        message = f"{name[:SHOWN]} does not go with _contained: only its container refers to what is contained."
        raise invalid("parameter-chain", message, name)
    try:
        return _parse_criterion(draft, name, value)
    except FhirError as fault:
        raise refuse(fault, expression_of(name)) from None


def _parse_criterion(draft: Draft, name: str, value: str) -> Clause | None:
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


def _parse_inner(draft: Draft, resource_type: str, name: str, value: str, whole: str) -> Clause | None:
    """What the rest of a chain asks of the resources that it has come to."""
    inner = _behind(draft, resource_type, whole)
    if not (name in inner.known or ":" in name or is_join(name)):
        raise refuse_unknown(whole, name, resource_type)
    return _parse_criterion(inner, name, value)


def _behind(draft: Draft, resource_type: str, whole: str) -> Draft:
    """The draft of what is asked of the resources behind one more hop."""
    draft.cost.hops += 1
    if draft.cost.hops > draft.limits.hops:
        message = f"The chains of a search may go from one resource to another {draft.limits.hops} times in all."
        raise too_costly(message, whole)
    return Draft(
        (resource_type,), draft.reading.space.parameters(resource_type), draft.reading, draft.limits, draft.cost
    )


def _parse_list(draft: Draft, value: str) -> Clause | None:
    """The resources that the entries of a List refer to: https://hl7.org/fhir/R4/search.html#list."""
    space = draft.reading.space
    if LIST_PARAMETER not in space.parameters(LIST_TYPE):
        raise invalid("parameter-unknown", "This server has no Lists.", LIST)
    ids = tuple(read_as(LIST, part, _parse_id) for part in split(value, ",") if part)
    inner = WithId(LIST_TYPE, ids)
    hops = [Hop(LIST_TYPE, LIST_PARAMETER, kind) for kind in draft.resource_types]
    return any_of([Referred(hop, inner) for hop in hops]) if ids else None


def _parse_filter(draft: Draft, value: str) -> Clause:
    return read_as(FILTER, value, lambda text: parse_filter(text, lambda test: _compare(draft, test)))


def _compare(draft: Draft, test: Test) -> Clause:
    """What one test of a filter asks; a path of several names is a chain."""
    if "." in test.path:
        return _compare_chained(draft, test)
    parameter = draft.known.get(test.path)
    if parameter is None or parameter.code == FILTER:
        raise BadValue(f"the search parameter {test.path[:SHOWN]} is unknown or not supported in a filter")
    comparison = compare(parameter, test)
    clause = _criterion(draft, parameter, [comparison.value], comparison.modifier)
    is_absent = comparison.modifier is MISSING_VALUE and comparison.value == "true"
    return Not(clause) if comparison.negates or is_absent else clause


def _compare_chained(draft: Draft, test: Test) -> Clause:
    code, _, rest = split_chain(test.path)
    target = find_target(draft.known.get(code), test.path, draft.reading.space)
    inner = _compare(_behind(draft, target, FILTER), replace(test, path=rest))
    return any_of([Chained(Hop(kind, code, target), inner) for kind in draft.resource_types])


def _parse_modified(draft: Draft, name: str, value: str) -> Clause | None:
    code, _, suffix = name.partition(":")
    parameter = draft.known.get(code)
    modifier = find_modifier(parameter, suffix) if parameter else None
    if parameter is None or modifier is None:
        offered = modifiers_of(parameter) if parameter else {}
        known = f" It takes {', '.join(f':{item}' for item in offered)}." if offered else ""
        message = f"The modifier :{suffix[:SHOWN]} of {code[:SHOWN]} is not supported.{known}"
        raise invalid("parameter-modifier", message, name)
    return _parse_values(draft, parameter, value, modifier)


def _unknown(name: str, known: Mapping[str, Parameter]) -> Issue:
    near = get_close_matches(name[:SHOWN], known, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    message = f"The search parameter {name[:SHOWN]} is unknown or not supported here.{hint}"
    return Issue("error", "parameter-unknown", message, expression_of(name))


def _parse_values(draft: Draft, parameter: Parameter, value: str, modifier: Modifier = PLAIN) -> Clause | None:
    name = _written(parameter, modifier)
    if not is_well_escaped(value):
        raise bad_value(name, value, BadValue("a backslash must be followed by one of , | $ \\"))
    alternatives = [part for part in split(value, ",") if part]
    if not alternatives:
        return None
    if len(alternatives) > draft.limits.alternatives:
        message = f"A search value has at most {draft.limits.alternatives} alternatives."
        raise too_costly(message, name)
    if modifier is MISSING_VALUE and len(alternatives) > 1:
        raise bad_value(name, value, BadValue("it is true or false"))
    clause = _criterion(draft, parameter, alternatives, modifier)
    is_negated = modifier.negates or (modifier is MISSING_VALUE and alternatives == ["true"])
    return Not(clause) if is_negated else clause


def _criterion(draft: Draft, parameter: Parameter, alternatives: list[str], modifier: Modifier) -> Clause:
    name = _written(parameter, modifier)

    def read(parse: Callable[[str], Parsed]) -> tuple[Parsed, ...]:
        return tuple(read_as(name, part, parse) for part in alternatives)

    if parameter.code in ALWAYS and modifier is MISSING_VALUE:
        read(lambda text: tuple(modifier.read(text, parameter, draft.reading)))
        return Everything()
    if parameter.code == "_id":
        ids = read(_parse_id)
        if draft.contained is not Contained.LEFT_OUT:
            ids += tuple(f"{INSIDE}{name}" for name in ids)
        return any_of([WithId(resource_type, ids) for resource_type in draft.resource_types])
    if parameter.code == "_lastUpdated":
        return LastUpdated(read(lambda text: parse_date(text, parameter, draft.reading)))
    values = _read_values(draft, parameter, alternatives, modifier)
    return any_of([_has(draft, parameter, modifier, kind, values) for kind in draft.resource_types])


def _read_values(draft: Draft, parameter: Parameter, alternatives: list[str], modifier: Modifier) -> tuple[Value, ...]:
    """What some alternatives ask; each is counted as it is read, since a value set can be long."""
    name, limits = _written(parameter, modifier), draft.limits
    values: list[Value] = []
    comparisons = 0
    for part in alternatives:
        more = read_as(name, part, lambda text: tuple(modifier.read(text, parameter, draft.reading)))
        values += more
        draft.cost.listed += len(more) - 1
        comparisons += sum(len(value.texts) if isinstance(value, LinkValue) else 1 for value in more)
        if draft.cost.listed > limits.codes:
            message = f"The value sets and hierarchies of a search may have at most {limits.codes:,} codes together."
            raise too_costly(message, name)
        if comparisons * len(draft.resource_types) > limits.comparisons:
            raise too_costly(f"A parameter may ask for at most {limits.comparisons} comparisons.", name)
    return tuple(values)


def _written(parameter: Parameter, modifier: Modifier) -> str:
    return f"{parameter.code}:{modifier.name}" if modifier.name else parameter.code


def _has(
    draft: Draft, parameter: Parameter, modifier: Modifier, resource_type: str, values: tuple[Value, ...]
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
