"""Clauses → MongoDB filters that select the same resources as fhir_dmp.search.match. Pure.

The only module that writes `$` operators of a search. Each value becomes one condition on one array (facts.py says
which), in a form that has index bounds: equality, or a range. Only what may stand anywhere in a text is a regular
expression, in which every character of a value is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.regex import Regex

from fhir_dmp.search.links import MISSING, UCUM
from fhir_dmp.search.place import side_of
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
from fhir_dmp.spec.search_parameter import ParameterType
from fhir_dmp.store.mongo.facts import (
    DAY,
    INDEXED_MARKS,
    hold_decimal,
    in_any_system,
    in_content,
    in_narrative,
    in_system,
    led_by,
    linked,
    marked,
    narrow_and_wide,
    texted,
    wide,
)

Filter = dict[str, Any]

_LAST, _SURROGATE, _AFTER_SURROGATES = "\U0010ffff", "\ud800", "\ue000"
_MARKS_OF: Mapping[str, tuple[str, str]] = {
    "token": ("t", "="),
    "reference": ("t", ">"),
    "uri": ("t", ">"),
    "string": ("s", "|"),
}
_SPANS_OF = {"date": "d", "number": "q", "quantity": "q", "special": "g"}
NOTHING: Filter = {"_id": {"$in": []}}
"""Selects no document; MongoDB answers it without reading."""


def build_parts(clause: Clause) -> dict[int, Filter]:
    """Builds the filters of the parts of a conjunction that are made of others, for `build_filter`, by their `id`.

    Of no use but while the clause itself is kept: an `id` may be that of something else later.
    """
    return {id(part): _build(part) for part in _conjuncts((clause,)) if isinstance(part, Or | Not)}


def build_filter(
    *clauses: Clause, built: Mapping[int, Filter] = MappingProxyType({}), is_by_date: bool = False
) -> Filter:
    """Builds the filter of the documents of which all these clauses are true; `{}` selects every document.

    `built` are parts that are built already (`build_parts`). `is_by_date` tells that rows come in the order of the main
    date: it changes where the main date and code are looked up, not what is selected.
    """
    parts = list(_conjuncts(clauses))
    is_main = is_by_date or any(isinstance(part, AboutPatient) for part in parts)
    build = _build_main if is_main else _build
    conditions = [built.get(id(part)) or build(part) for part in parts if not isinstance(part, OfType)]
    types = [part for part in parts if isinstance(part, OfType)]
    # of a filter that is one $or MongoDB plans each branch apart, and then never just follows the order asked for
    if not is_main and not any("$or" in condition for condition in conditions):
        kinds = {part.resource_type for part in parts if isinstance(part, Has | WithId)}
        types = [part for part in types if not _is_implied(part, kinds)]
    return all_of([*(_build(part) for part in types), *conditions])


def all_of(filters: Sequence[Filter]) -> Filter:
    """Builds the conjunction of filters."""
    needed = [item for index, item in enumerate(filters) if item and item not in filters[:index]]
    if len(needed) > 1:
        return {"$and": needed}
    return needed[0] if needed else {}


def any_of(filters: Sequence[Filter]) -> Filter:
    """Builds the disjunction of filters, each said once.

    Of two equal ones within another disjunction MongoDB 6.0 makes a list of one, takes that for the condition beside it
    when it plans, and so looks up the value in the wrong index: it finds nothing.
    """
    if not all(filters):
        return {}
    possible = list({repr(item): item for item in filters if item != NOTHING}.values())
    if len(possible) > 1:
        return {"$or": possible}
    return possible[0] if possible else NOTHING


def after_prefix(prefix: str) -> str:
    """Returns the least text that is greater than every text with this prefix, which begins with a type's name."""
    kept = prefix.rstrip(_LAST)
    following = chr(ord(kept[-1]) + 1)
    return kept[:-1] + (_AFTER_SURROGATES if following == _SURROGATE else following)


def _conjuncts(clauses: Sequence[Clause]) -> Iterator[Clause]:
    for clause in clauses:
        if isinstance(clause, And):
            yield from _conjuncts(clause.clauses)
        else:
            yield clause


def _is_implied(part: Clause, kinds: set[str]) -> bool:
    """A type that another condition implies would only cost the reading of documents that an index can count."""
    return isinstance(part, OfType) and not kinds.isdisjoint(part.resource_types) and len(kinds) == 1


def _build(clause: Clause) -> Filter:  # noqa: PLR0911  one for each kind of clause
    match clause:
        case Everything():
            return {}
        case Nothing():
            return NOTHING
        case And(clauses):
            return build_filter(*clauses)
        case Or(clauses):
            return any_of([build_filter(inner) for inner in clauses])
        case Not(inner):
            return {"$nor": [build_filter(inner)]}
        case Contains(inner, way):
            return _build_contains(inner, way)
        case Chained() | Referred():
            raise TypeError("joins are resolved before a store is asked")
        case _:
            return _build_condition(clause)


def _build_contains(inner: Clause, way: Hop | None) -> Filter:
    """What contained resources are asked stands in documents that are built as those of others are."""
    # the type comes first in their index, so it is said even where another condition implies it
    asked = [_build(part) for part in _conjuncts((inner,)) if isinstance(part, OfType)]
    if way:
        asked += [{"ty": way.target}, {"t": led_by(way.resource_type, way.parameter)}]
    contains: Filter = {"ct": {"$elemMatch": all_of([*asked, build_filter(without_places(inner))])}}
    return all_of([{"ty": way.resource_type}, contains]) if way else contains


def without_places(clause: Clause) -> Clause:
    """Returns what to ask of what is contained, which is nowhere: MongoDB computes no distance within an array."""
    match clause:
        case And(clauses):
            return And(tuple(map(without_places, clauses)))
        case Or(clauses):
            return Or(tuple(map(without_places, clauses)))
        case Not(inner):
            return Not(without_places(inner))
        case Has(values=values):
            return replace(clause, values=tuple(value for value in values if not isinstance(value, NearValue)))
    return clause


def _build_condition(clause: Condition) -> Filter:
    match clause:
        case OfType(resource_types):
            return one_of("ty", resource_types)
        case WithId(resource_type, resource_ids):
            return one_of("_id", [f"{resource_type}/{resource_id}" for resource_id in resource_ids])
        case LastUpdated(values):
            return any_of([_build_instant(value) for value in values])
        case AboutPatient(patient_ids):
            return one_of("pt", patient_ids)
        case Has(resource_type, parameter, values):
            return _build_has(f"{resource_type}.{parameter}", values)
        case _:
            return _build_security(clause)


def _build_security(clause: Marked | ConfidentialUpTo | Clinical | Withheld) -> Filter:
    match clause:
        case Marked(kind, texts):
            return one_of("t" if kind in INDEXED_MARKS else "k", [marked(kind, text) for text in texts])
        case ConfidentialUpTo(rank):
            return {"cf": {"$lte": rank}}
        case Clinical(value):
            return all_of([{"cl": {"$exists": True}}, _span("cl", "ch", value)])
        case Withheld(at):
            return {"op": {"$gt": Int64(at)}}


def one_of(name: str, values: Sequence[str]) -> Filter:
    """Builds the filter of documents whose field, or one item of it, is one of these values."""
    distinct = list(dict.fromkeys(values))
    if not distinct:
        return NOTHING
    return {name: distinct[0]} if len(distinct) == 1 else {name: {"$in": distinct}}


def _build_main(part: Clause) -> Filter:
    """Beside a patient, or by date, the main date and code are looked up in the fields that such indexes hold."""
    if isinstance(part, Has) and part.is_main:
        if all(isinstance(value, DateValue) for value in part.values):
            spans = [_span("dl", "dh", value) for value in part.values if isinstance(value, DateValue)]
            return all_of([{"ty": part.resource_type}, any_of(spans)])
        tokens = [value for value in part.values if isinstance(value, TokenValue) and value.system and value.code]
        if len(tokens) == len(part.values):
            prefix = f"{part.resource_type}.{part.parameter}"
            return one_of("c", [in_system(prefix, token.system or "", token.code or "") for token in tokens])
    return _build(part)


def _build_has(prefix: str, values: Sequence[Value]) -> Filter:
    whole = [text for value in values for text in _texts(prefix, value)]
    others = [_build_value(prefix, value) for value in values if not _is_whole(value)]
    return any_of([one_of("t", whole), *others])


def _is_whole(value: Value) -> bool:
    """Tells whether a value asks for whole items of `t`."""
    return isinstance(value, LinkValue) or (isinstance(value, TokenValue) and value.code is not None)


def _texts(prefix: str, value: Value) -> Iterator[str]:
    """The items of `t` that a value asks for."""
    if isinstance(value, LinkValue):
        yield from (linked(prefix, text) for text in value.texts)
    elif isinstance(value, TokenValue) and value.code is not None:
        any_system = value.system is None
        yield in_any_system(prefix, value.code) if any_system else in_system(prefix, value.system or "", value.code)


def _build_value(prefix: str, value: Value) -> Filter:
    match value:
        case TokenValue() | TokenPrefix() | LinkPrefix():
            return _starting("t", _beginning(prefix, value))
        case StringValue(beginning):
            return _starting("s", texted(prefix, beginning))
        case StringPart():
            return _build_part(prefix, value)
        case LinkValue():
            return NOTHING
        case AnyValue() | CompositeValue() | NearValue() | WordsValue():
            return _build_whole(prefix, value)
        case _:
            return _build_span(prefix, value)


def _build_whole(prefix: str, value: AnyValue | CompositeValue | NearValue | WordsValue) -> Filter:
    if isinstance(value, AnyValue):
        return _build_any(value.type, prefix)
    if isinstance(value, NearValue):
        return _build_near(prefix, value)
    if isinstance(value, WordsValue):
        return _build_words(prefix, value)
    parts = [_build_has(f"{prefix}${index}", (part,)) for index, part in enumerate(value.components)]
    return {"cm": {"$elemMatch": all_of(parts)}}


def _build_near(prefix: str, value: NearValue) -> Filter:
    """Within a cube around the point, which has index bounds, and within the distance."""
    side, wanted = side_of(value.square), value.point._asdict()
    cube = {name: {"$gte": Int64(at - side), "$lte": Int64(at + side)} for name, at in wanted.items()}
    lines = [{"$subtract": [f"$$item.{name}", Int64(at)]} for name, at in wanted.items()]
    square = {"$add": [{"$multiply": [line, line]} for line in lines]}
    near = {"$and": [{"$eq": ["$$item.p", prefix]}, {"$lte": [square, Int64(value.square)]}]}
    points = {"$map": {"input": {"$ifNull": ["$g", []]}, "as": "item", "in": near}}
    return {"g": {"$elemMatch": {"p": prefix, **cube}}, "$expr": {"$anyElementTrue": [points]}}


def _build_words(prefix: str, value: WordsValue) -> Filter:
    resource_type, _, parameter = prefix.partition(".")
    forms = (in_narrative, in_content) if parameter == "_content" else (in_narrative,)
    return all_of([one_of("w", [form(resource_type, stem) for form in forms]) for stem in value.stems])


def _build_span(prefix: str, value: DateValue | QuantityValue) -> Filter:
    match value:
        case DateValue():
            condition = _span("l", "h", value)
            reached = condition.get("h", {}).get("$gt")
            return _among_spans("d", prefix, condition, None if reached is None else Int64(reached - DAY))
        case QuantityValue():
            prefix = f"{prefix}:{UCUM}" if value.is_canonical else prefix
            condition = _magnitude(value)
            reach: Filter = condition.get("h", {})
            return _among_spans("q", prefix, condition, reach.get("$gt", reach.get("$gte")))


def _build_any(kind: ParameterType, prefix: str) -> Filter:
    """Any fact of the parameter, or else the one that says that there is a value without facts."""
    if kind in _MARKS_OF:
        array, mark = _MARKS_OF[kind]
        facts = _starting(array, prefix + mark)
    else:
        facts = one_of(f"{_SPANS_OF[kind]}.p", narrow_and_wide(prefix))
    return any_of([facts, one_of("t", [linked(f"{prefix}:{MISSING}", "false")])])


def _build_part(prefix: str, value: StringPart) -> Filter:
    """A part can be anywhere: the index leads to the texts of the parameter, each of which is looked at."""
    start = texted(prefix, "")
    if value.at == "whole":
        return one_of("s", [start + value.text, f"{start}{value.text}|"])
    end = "[|]?$" if value.at == "end" else ""
    pattern = Regex(f"^{re.escape(start)}.*{re.escape(value.text)}{end}", "s")
    return {"s": {"$elemMatch": {"$gte": start, "$lt": after_prefix(start), "$regex": pattern}}}


def _beginning(prefix: str, value: TokenValue | TokenPrefix | LinkPrefix) -> str:
    """What the items of `t` begin with that a value asks for."""
    match value:
        case TokenPrefix(system, code):
            return in_system(prefix, system, code)
        case LinkPrefix(text):
            return linked(prefix, text)
        case TokenValue(system):
            return f"{prefix}=" if system is None else in_system(prefix, system, "")


def _among_spans(name: str, prefix: str, condition: Filter, least: Int64 | Decimal128 | None) -> Filter:
    """The spans that meet a condition. Where it makes h reach somewhere, `least` is what l of a narrow one then is."""
    if least is None:
        return {name: {"$elemMatch": {"p": {"$in": narrow_and_wide(prefix)}, **condition}}}
    narrow = {"p": prefix, **condition, "l": {**condition.get("l", {}), "$gte": least}}
    return any_of([{name: {"$elemMatch": narrow}}, {name: {"$elemMatch": {"p": wide(prefix), **condition}}}])


def _starting(name: str, prefix: str) -> Filter:
    return {name: {"$elemMatch": {"$gte": prefix, "$lt": after_prefix(prefix)}}}


def _build_instant(value: DateValue) -> Filter:
    """A span of one millisecond lies inside, below or above."""
    low, high = Int64(value.low), Int64(value.high)
    conditions: dict[str, Filter] = {
        "eq": {"lu": {"$gte": low, "$lt": high}},
        "ne": {"$or": [{"lu": {"$lt": low}}, {"lu": {"$gte": high}}]},
        "lt": {"lu": {"$lt": low}},
        "gt": {"lu": {"$gte": high}},
        "le": {"lu": {"$lt": high}},
        "ge": {"lu": {"$gte": low}},
        "sa": {"lu": {"$gte": high}},
        "eb": {"lu": {"$lt": low}},
        "ap": {"lu": {"$gte": low, "$lt": high}},
    }
    return conditions[value.prefix]


def _span(least: str, most: str, value: DateValue) -> Filter:
    """What search.match says of spans; bounds that follow from it (least < most) are added for the indexes."""
    low, high = Int64(value.low), Int64(value.high)
    conditions: dict[str, Filter] = {
        "eq": {least: {"$gte": low, "$lt": high}, most: {"$lte": high}},
        "ne": {"$or": [{least: {"$lt": low}}, {most: {"$gt": high}}]},
        "lt": {least: {"$lt": low}},
        "gt": {most: {"$gt": high}},
        "le": {least: {"$lt": high}, "$or": [{least: {"$lt": low}}, {most: {"$lte": high}}]},
        "ge": {most: {"$gt": low}, "$or": [{most: {"$gt": high}}, {least: {"$gte": low}}]},
        "sa": {least: {"$gte": high}},
        "eb": {least: {"$lt": low}, most: {"$lte": low}},
        "ap": {least: {"$lt": high}, most: {"$gt": low}},
    }
    return conditions[value.prefix]


def _magnitude(value: QuantityValue) -> Filter:
    number, low, high = hold_decimal(value.value), hold_decimal(value.low), hold_decimal(value.high)
    conditions: dict[str, Filter] = {
        "eq": {"l": {"$gte": low, "$lt": high}, "h": {"$lt": high}},
        "ne": {"$or": [{"l": {"$lt": low}}, {"h": {"$gte": high}}]},
        "lt": {"l": {"$lt": number}},
        "gt": {"h": {"$gt": number}},
        "le": {"l": {"$lte": number}},
        "ge": {"h": {"$gte": number}},
        "sa": {"l": {"$gt": number}},
        "eb": {"l": {"$lt": number}, "h": {"$lt": number}},
        "ap": {"l": {"$lte": high}, "h": {"$gte": low}},
    }
    return {**conditions[value.prefix], **_unit(value)}


def _unit(value: QuantityValue) -> Filter:
    wanted = {"s": value.system, "c": value.code}
    filters: Filter = {name: text for name, text in wanted.items() if text is not None}
    if value.unit is not None:
        filters["$and"] = [{"$or": [{"c": value.unit}, {"u": value.unit}]}]
    return filters
