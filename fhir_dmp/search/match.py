"""Does a resource satisfy a clause: the reference meaning of search, on its facts. Stores must select the same.

https://hl7.org/fhir/R4/search.html. Written to be read beside the specification, not to be fast.
"""

from __future__ import annotations

from fhir_dmp.search.facts import (
    CompositeFact,
    ContainedFact,
    DateFact,
    Facts,
    LinkFact,
    PointFact,
    QuantityFact,
    Security,
    StringFact,
    TokenFact,
)
from fhir_dmp.search.links import MISSING, UCUM
from fhir_dmp.search.place import square_between
from fhir_dmp.search.query import (
    AboutPatient,
    And,
    AnyValue,
    Chained,
    Clause,
    Clinical,
    CompositeValue,
    Condition,
    ConfidentialUpTo,
    Contains,
    DateValue,
    Everything,
    Has,
    Hop,
    LastUpdated,
    LinkPrefix,
    LinkValue,
    Marked,
    NearValue,
    Not,
    Nothing,
    OfType,
    Or,
    QuantityValue,
    Referred,
    StringPart,
    StringValue,
    TokenPrefix,
    TokenValue,
    Value,
    Withheld,
    WithId,
    WordsValue,
)
from fhir_dmp.search.text import name_parts, normalise


def matches(clause: Clause, facts: Facts) -> bool:  # noqa: PLR0911  one for each kind of clause
    """Tells whether a clause is true of the resource with these facts. Raises TypeError for one with joins."""
    match clause:
        case Everything():
            return True
        case Nothing():
            return False
        case And(clauses):
            return all(matches(inner, facts) for inner in clauses)
        case Or(clauses):
            return any(matches(inner, facts) for inner in clauses)
        case Not(inner):
            return not matches(inner, facts)
        case Contains(inner, way):
            return any(matches(inner, fact.facts) for fact in facts.contained if is_on(way, facts, fact))
        case Chained() | Referred():
            raise TypeError("the facts of one resource do not tell whether a join is true of it")
        case _:
            return _holds(clause, facts)


def is_on(way: Hop | None, container: Facts, fact: ContainedFact) -> bool:
    """Tells whether a way leads from a container to what it contains; without a way all of it is reached."""
    if way is None:
        return True
    types = (container.resource_type, fact.facts.resource_type)
    return types == (way.resource_type, way.target) and way.parameter in fact.ways


def _holds(clause: Condition, facts: Facts) -> bool:
    match clause:
        case OfType(resource_types):
            return facts.resource_type in resource_types
        case WithId(resource_type, resource_ids):
            return facts.resource_type == resource_type and facts.resource_id in resource_ids
        case LastUpdated(values):
            updated = DateFact("_lastUpdated", facts.last_updated, facts.last_updated + 1)
            return any(meets_date(updated, value) for value in values)
        case AboutPatient(patient_ids):
            return facts.patient in patient_ids
        case Has(resource_type, parameter, values):
            return facts.resource_type == resource_type and any(_has(facts, parameter, value) for value in values)
        case _:
            return _is_secured(clause, facts.security)


def _is_secured(clause: Marked | ConfidentialUpTo | Clinical | Withheld, security: Security) -> bool:
    match clause:
        case Marked(kind, texts):
            return any(mark.kind == kind and mark.text in texts for mark in security.marks)
        case ConfidentialUpTo(rank):
            return security.rank is not None and security.rank <= rank
        case Clinical(value):
            return security.span is not None and meets_date(DateFact("", *security.span), value)
        case Withheld(at):
            return security.opens is not None and security.opens > at


def _has(facts: Facts | CompositeFact, parameter: str, value: Value) -> bool:
    match value:
        case TokenValue() | TokenPrefix():
            return any(fact.parameter == parameter and meets_token(fact, value) for fact in facts.tokens)
        case StringValue() | StringPart():
            return any(fact.parameter == parameter and meets_string(fact, value) for fact in facts.strings)
        case LinkValue() | LinkPrefix():
            return any(fact.parameter == parameter and meets_link(fact, value) for fact in facts.links)
        case AnyValue() | CompositeValue() | NearValue() | WordsValue():
            return _has_whole(facts, parameter, value)
        case _:
            return _has_span(facts, parameter, value)


def _has_whole(
    facts: Facts | CompositeFact, parameter: str, value: AnyValue | CompositeValue | NearValue | WordsValue
) -> bool:
    if isinstance(value, AnyValue):
        return _is_present(facts, parameter) or _is_present(facts, f"{parameter}:{MISSING}")
    if not isinstance(facts, Facts):
        return False
    if isinstance(value, NearValue):
        return any(fact.parameter == parameter and meets_point(fact, value) for fact in facts.points)
    if isinstance(value, WordsValue):
        elsewhere = facts.words.content if parameter == "_content" else ()
        return set(value.stems) <= {*facts.words.narrative, *elsewhere}
    return any(fact.parameter == parameter and _meets_all(fact, value.components) for fact in facts.composites)


def _has_span(facts: Facts | CompositeFact, parameter: str, value: DateValue | QuantityValue) -> bool:
    match value:
        case DateValue():
            return any(fact.parameter == parameter and meets_date(fact, value) for fact in facts.dates)
        case QuantityValue():
            name = f"{parameter}:{UCUM}" if value.is_canonical else parameter
            return any(fact.parameter == name and meets_quantity(fact, value) for fact in facts.quantities)


def _is_present(facts: Facts | CompositeFact, parameter: str) -> bool:
    kinds = (facts.tokens, facts.strings, facts.links, facts.dates, facts.quantities)
    points = facts.points if isinstance(facts, Facts) else ()
    return any(fact.parameter == parameter for kind in (*kinds, points) for fact in kind)


def _meets_all(fact: CompositeFact, components: tuple[Value, ...]) -> bool:
    return all(_has(fact, f"{fact.parameter}${index}", value) for index, value in enumerate(components))


def meets_token(fact: TokenFact, value: TokenValue | TokenPrefix) -> bool:
    """Systems are compared exactly, codes without case: in doubt a server should find more, not less."""
    if isinstance(value, TokenPrefix):
        return value.system == fact.system and fact.code.casefold().startswith(value.prefix.casefold())
    system_matches = value.system is None or value.system == fact.system
    code_matches = value.code is None or value.code.casefold() == fact.code.casefold()
    return system_matches and code_matches


def meets_string(fact: StringFact, value: StringValue | StringPart) -> bool:
    """A text matches from its beginning; a family name from the beginning of any of its parts."""
    forms = [normalise(fact.text), *(name_parts(fact.text) if fact.is_name else [])]
    if isinstance(value, StringPart):
        return any(_has_part(form, value) for form in forms)
    return any(form.startswith(value.prefix) for form in forms)


def _has_part(form: str, value: StringPart) -> bool:
    if value.at == "any":
        return value.text in form
    return form.endswith(value.text) if value.at == "end" else form == value.text


def meets_link(fact: LinkFact, value: LinkValue | LinkPrefix) -> bool:
    """References and uris are compared exactly."""
    return fact.text.startswith(value.prefix) if isinstance(value, LinkPrefix) else fact.text in value.texts


def meets_point(fact: PointFact, value: NearValue) -> bool:
    """A place at the very distance is near."""
    return square_between(fact.point, value.point) <= value.square


def meets_date(fact: DateFact, value: DateValue) -> bool:
    """The table of prefixes in https://hl7.org/fhir/R4/search.html#prefix, on half-open spans."""
    is_inside = value.low <= fact.low and fact.high <= value.high
    reaches_below, reaches_above = fact.low < value.low, fact.high > value.high
    return {
        "eq": is_inside,
        "ne": not is_inside,
        "lt": reaches_below,
        "gt": reaches_above,
        "le": reaches_below or is_inside,
        "ge": reaches_above or is_inside,
        "sa": fact.low >= value.high,
        "eb": fact.high <= value.low,
        "ap": fact.low < value.high and fact.high > value.low,
    }[value.prefix]


def meets_quantity(fact: QuantityFact, value: QuantityValue) -> bool:
    """Only eq, ne and ap know the precision of the value; the others compare with the exact number.

    Units are compared as they are written; a value in base units meets facts in base units (QuantityValue).
    """
    is_inside = value.low <= fact.low and fact.high < value.high
    number_matches = {
        "eq": is_inside,
        "ne": not is_inside,
        "lt": fact.low < value.value,
        "gt": fact.high > value.value,
        "le": fact.low <= value.value,
        "ge": fact.high >= value.value,
        "sa": fact.low > value.value,
        "eb": fact.high < value.value,
        "ap": fact.low <= value.high and fact.high >= value.low,
    }[value.prefix]
    system_matches = value.system is None or value.system == fact.system
    code_matches = value.code is None or value.code == fact.code
    unit_matches = value.unit is None or value.unit in (fact.code, fact.unit)
    return number_matches and system_matches and code_matches and unit_matches
