"""Random resources and searches over few values, so that what is asked for is often there.

Resources are made from the routes of the search parameters themselves: whatever the definitions say can be searched for
is put there, in every type an element may have, sometimes in ways that no valid resource has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from fhir_dmp.json_text import FhirDecimal
from fhir_dmp.loader import load_definitions, load_registry
from fhir_dmp.outcome import FhirError
from fhir_dmp.search.composite import Base
from fhir_dmp.search.filtering import FILTER
from fhir_dmp.search.modifier import find_modifier, modifiers_of
from fhir_dmp.search.parse import parse_search
from fhir_dmp.search.path import Equals, Key, Route
from fhir_dmp.search.query import And, Clause, Everything, Handling, Not, Nothing, Or, Sort
from fhir_dmp.search.space import ALWAYS, WORDED, Parameter, SearchSpace, systems_of
from fhir_dmp.terminology.terminology import Terminology

Json = Any

BASE_URL = "https://dmp.example/fhir"
NOW = 1_717_200_000_000
"""2024-06-01T00:00:00Z."""
TYPES = (
    "Patient",
    "Observation",
    "Encounter",
    "DocumentReference",
    "Condition",
    "RiskAssessment",
    "Appointment",
    "AppointmentResponse",
    "CarePlan",
    "Provenance",
    "QuestionnaireResponse",
    "ValueSet",
    "ChargeItem",
    "MolecularSequence",
    "Location",
)

CODES = (
    "a", "A", "b", "final", "é", "É", "ß", "SS", "a|b", "a,b", "a\\b", "$a", "a%7Cb", "true", "06 12 34 56 78", "a b",
    "a/b", "A/B; c",
)  # fmt: skip
SYSTEMS = (
    "http://s",
    "http://S",
    "http://s|a",
    "http://s%7Ca",
    "http://unitsofmeasure.org",
    "http://hl7.org/fhir/encounter-status",
    "urn:oid:1.2",
    "urn:ietf:bcp:13",
)
UNITS = ("mg", "g", "mm[Hg]", "Cel", "[degF]", "%", "no unit")
TEXTS = (
    "Ève", "Eve", "EVELYN", "Jean-Pierre", "jean pierre", "Jeanne", "Carreño Quiñones", "de la Tour-Dupin", "O'Brien",
    "Œdème", "ẞtraße", "a.*b", "a|b", "a\U0010ffff", "a\ud7ff", "a\ue000", "a\U0010ffffb", "-", "x\x00y", "12, rue",
    "q" * 300,
)  # fmt: skip
IDS = ("1", "2", "23")
REFERENCES = (
    "Patient/1", "Patient/2", "Patient/23", "Patient/1/_history/4", "Group/1", "Device/2", f"{BASE_URL}/Patient/1",
    f"{BASE_URL}/Patient/2/_history/4", "https://other.example/fhir/Patient/1",
    "https://other.example/fhir/Patient/1/_history/2", "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
    "Practitioner/2", "Observation/1", "Location/1",
)  # fmt: skip
MALFORMED_REFERENCES = ("#a", "#a", "1", "", "Patient?identifier=1", "Nonsense/1")
URLS = ("http://x", "http://x/", "http://x/p", "http://x/p/q", "http://x/p|1", "http://x/p|2.0.1", BASE_URL)
"""What `:below` and `:above` are asked for, besides the canonicals."""
CANONICALS = ("http://x/p", "http://x/p|1.0", "http://x/p|2.0", "http://x/p/", f"{BASE_URL}/Questionnaire/1", "urn:a:b")
DATES = ("2012", "2013-01", "2013-01-14", "2013-01-15", "2013-03-31", "2013-10-27", "9999-12-31", "0001")
MOMENTS = (
    "2013-01-14T10:00:00Z", "2013-01-14T10:00:00+01:00", "2013-01-14T00:00:00+01:00", "2013-01-14T23:59:59.999+01:00",
    "2013-01-15T00:00:00+01:00", "2012-12-31T23:59:60Z", "2013-01-14T10:00:00.5Z", "2013-03-31T01:30:00Z",
)  # fmt: skip
SEARCHED_MOMENTS = ("2013-01-14T10:00", "2013-01-14T10:00:00", "2013-03-31T02:30", "2013-10-27T02:30:00 02:00")
NUMBERS = (
    "0", "-0", "1", "1.0", "1.00", "2", "5.4", "5.40", "5.35", "5.45", "99.5", "100", "100.00", "100.5", "95", "1e2",
    "-5.4", "5.40e-3", "0.0054", "123456789012345678901234567890123456", "1E400",
    "4.9999999999999999999999999999999999",
)  # fmt: skip
OPERATIONS_OF = {
    "string": ("eq", "ne", "co", "sw", "ew"),
    "token": ("eq", "ne", "in", "ss", "sb"),
    "reference": ("eq", "ne", "re"),
    "date": ("eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb", "po"),
    "number": ("eq", "ne", "gt", "le", "ap"),
    "quantity": ("eq", "ne", "gt", "le", "ap"),
}
PHRASES = (
    "Diabète de type 2", "diabétiques", "l'hypertension artérielle", "Hypertendu",
    "allergie à la pénicilline &amp; autre",
    "ALLERGIQUE", "Cœur <b>droit</b>", "coeur", "le de la", "2024", "sténose", "stenose", "a>b", "x<y",
)  # fmt: skip
PLACES = ("48.8566|2.3522", "48.85|2.35", "48.8566|2.3523", "45.764|4.8357", "-90|0", "0|180", "0|-180", "91|0")
DISTANCES = ("", "|1", "|7.3|m", "|0", "|392|km", "|20100", "|1e3|m", "|5|[mi_i]", "|1|g")
PREFIXES = ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")


def make_space(types: Sequence[str] = TYPES) -> SearchSpace:
    """A space of some types with all the parameters that R4 gives them."""
    registry = load_registry()
    value_sets = (item for item in load_definitions("terminology") if item["resourceType"] == "ValueSet")
    exposed = {name: registry.search_parameters(name) for name in types}
    zone = ZoneInfo("Europe/Paris")
    return SearchSpace(registry, exposed, base_url=BASE_URL, zone=zone, systems=systems_of(value_sets))


SPACE = make_space()

_HIERARCHY = {"a": ["b", "é", "a|b"], "b": ["final", "SS"], "final": ["a b", "a\\b"]}
CODE_SYSTEM = {
    "resourceType": "CodeSystem",
    "url": "http://s",
    "content": "complete",
    "concept": [
        {"code": code, "property": [{"code": "child", "valueCode": child} for child in _HIERARCHY.get(code, ())]}
        for code in ("a", "b", "final", "é", "ß", "SS", "a|b", "a b", "a\\b")
    ],
}
VALUE_SETS = {
    "http://v/all": [{"system": "http://s"}],
    "http://v/none": [{"system": "http://s", "filter": [{"property": "inactive", "op": "=", "value": "true"}]}],
    "http://v/below": [{"system": "http://s", "filter": [{"property": "concept", "op": "is-a", "value": "b"}]}],
    "http://v/listed": [{"system": system, "concept": [{"code": "a"}, {"code": "É"}]} for system in SYSTEMS],
}
_DEFINITIONS: dict[str, Json] = {"http://s": CODE_SYSTEM} | {
    url: {"resourceType": "ValueSet", "url": url, "compose": {"include": include}}
    for url, include in VALUE_SETS.items()
}
TERMS = Terminology(_DEFINITIONS.get)


def escape(text: str) -> str:
    """Returns a text as a search value writes it."""
    for character in "\\,|$":
        text = text.replace(character, f"\\{character}")
    return text


def _numbers() -> st.SearchStrategy[Json]:
    return st.sampled_from(NUMBERS).map(lambda text: int(text) if text.lstrip("-").isdigit() else FhirDecimal(text))


def _object(**members: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    """An object with its first member, and perhaps the others; sometimes an empty one."""
    first, *others = members
    required = {first: members[first]}
    filled = st.fixed_dictionaries(required, optional={name: members[name] for name in others})
    return st.one_of(filled, filled, filled, st.just({}))


_texts = st.sampled_from(TEXTS)
_codes = st.sampled_from(CODES)
_dates = st.sampled_from((*DATES, *MOMENTS))
_references = st.sampled_from((*REFERENCES, *MALFORMED_REFERENCES))
_pointers = st.sampled_from(CANONICALS)
_few = st.sampled_from(("a", "A", "a|b"))
_described = st.sampled_from((*TEXTS, "Sang", "Sérum"))
_types = _object(code=_few, system=st.sampled_from(SYSTEMS[2:4]))
_codings = _object(code=_codes, system=st.sampled_from(SYSTEMS), display=_described)
_quantities = _object(
    value=_numbers(),
    system=st.sampled_from(SYSTEMS),
    code=st.sampled_from(UNITS),
    unit=st.sampled_from(UNITS),
    comparator=st.sampled_from(("<", "<=", ">", ">=")),
)
_periods = _object(start=_dates, end=_dates)
_identifiers = _object(value=_codes, system=st.sampled_from(SYSTEMS))
_positions = st.sampled_from(PLACES).map(
    lambda text: dict(zip(("latitude", "longitude"), map(FhirDecimal, text.split("|")), strict=True))
)
VALUES: dict[str, st.SearchStrategy[Json]] = {
    "Coding": _codings,
    "CodeableConcept": _object(coding=st.lists(_codings, max_size=2), text=_texts),
    "Identifier": _object(
        value=st.one_of(_few, _codes),
        system=st.sampled_from(SYSTEMS),
        type=_object(coding=st.lists(_types, max_size=2), text=_described),
    ),
    "ContactPoint": _object(value=_codes, system=st.sampled_from(("phone", "email"))),
    "boolean": st.booleans(),
    "BackboneElement": _positions,
    "HumanName": _object(family=_texts, given=st.lists(_texts, max_size=2), text=_texts),
    "Address": _object(line=st.lists(_texts, max_size=1), city=_texts),
    "Reference": st.one_of(
        _object(reference=_references, type=st.sampled_from(("Patient", "Group")), identifier=_identifiers),
        _object(identifier=_identifiers, type=st.sampled_from(("Patient", "Group"))),
    ),
    "Period": _periods,
    "Timing": _object(event=st.lists(_dates, max_size=2), repeat=_object(boundsPeriod=_periods)),
    "Quantity": _quantities,
    "Age": _quantities,
    "Duration": _quantities,
    "Range": _object(low=_object(value=_numbers()), high=_object(value=_numbers(), code=st.sampled_from(UNITS))),
    "Money": _object(value=_numbers(), currency=st.sampled_from(("EUR", "USD"))),
    "SampledData": _object(origin=_object(value=_numbers()), factor=_numbers(), data=st.just("1 E 2.5 -3")),
    "date": st.sampled_from(DATES),
    "dateTime": _dates,
    "instant": st.sampled_from(MOMENTS),
    "decimal": _numbers(),
    **dict.fromkeys(("integer", "positiveInt", "unsignedInt"), _numbers()),
    **dict.fromkeys(("string", "markdown"), _texts),
    **dict.fromkeys(("code", "id"), _codes),
    **dict.fromkeys(("uri", "url", "oid", "uuid", "canonical"), _pointers),
}


Focus = Mapping[str, Sequence[str]]
"""The parameters, by resource type, that resources are filled for and searches ask for."""
EVERY_PARAMETER: Focus = {
    name: [parameter.code for parameter in SPACE.indexed(name) if parameter.code not in ALWAYS] for name in TYPES
}


def _routes(resource_type: str, code: str) -> list[Route]:
    return [route for route in SPACE.parameters(resource_type)[code].paths.routes if route.type in VALUES]


@st.composite
def foci(draw: st.DrawFn) -> Focus:
    """One or two types with a few parameters each, of different types: then much is found, and just missed."""
    focus: dict[str, list[str]] = {}
    for name in draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=2, unique=True)):
        kinds: dict[str, list[str]] = {}
        for code in EVERY_PARAMETER[name]:
            kinds.setdefault(SPACE.parameters(name)[code].type, []).append(code)
        chosen = draw(st.lists(st.sampled_from(sorted(kinds)), min_size=2, max_size=4))
        focus[name] = [draw(st.sampled_from(kinds[kind])) for kind in chosen]
    return focus


@st.composite
def resources(draw: st.DrawFn, resource_id: str, focus: Focus = EVERY_PARAMETER, *, is_container: bool = True) -> Json:
    """A resource of one of some types with values for some parameters at random places; it may contain others."""
    resource_type = draw(st.sampled_from(sorted(focus)))
    moment = draw(st.sampled_from((NOW, NOW + 1, NOW + 86_400_000)))
    resource: Json = {"resourceType": resource_type, "id": resource_id}
    for code in draw(st.lists(st.sampled_from(focus[resource_type]), min_size=3, max_size=12)):
        bases = SPACE.parameters(resource_type)[code].bases
        routes = _routes(resource_type, code)
        if code in WORDED:
            _place_words(resource, draw(st.lists(st.sampled_from(PHRASES), min_size=2, max_size=2)))
        elif bases:
            _place_parts(resource, draw(st.sampled_from(bases)), draw)
        elif routes:
            route = draw(st.sampled_from(routes))
            _place(resource, route, draw(VALUES[route.type]), draw(st.booleans()))
    if resource_type == "Patient" and draw(st.booleans()):
        resource["deceasedBoolean"] = draw(st.booleans())
    resource.setdefault("meta", {})["lastUpdated"] = _instant(moment)
    if is_container and draw(st.integers(0, 2)) == 0:
        names = draw(st.lists(st.sampled_from(("a", "b", resource_id)), min_size=1, max_size=2, unique=True))
        resource["contained"] = [draw(resources(name, focus, is_container=False)) for name in names]
    return resource


def _instant(moment: int) -> str:
    return {NOW: "2024-06-01T00:00:00.000Z", NOW + 1: "2024-06-01T02:00:00.001+02:00"}.get(
        moment, "2024-06-02T00:00:00.000Z"
    )


def _place(resource: Json, route: Route, value: Json, is_apart: bool) -> None:
    """Puts a value at the end of a route, in a new element of each array (`is_apart`) or in its last."""
    holders, names = resource, list(route.steps)
    keys = [step for step in names if isinstance(step, Key)]
    conditions = [step for step in names if isinstance(step, Equals)]
    for key in keys[:-1]:
        holders = _enter(holders, key, is_apart)
    last = keys[-1]
    if isinstance(value, dict):
        value = {**value, **{condition.key: condition.value for condition in conditions if is_apart}}
    elif conditions and isinstance(holders, dict):
        holders.update({condition.key: condition.value for condition in conditions})
    if last.repeats:
        holders.setdefault(last.name, []).append(value)
    else:
        holders[last.name] = value


def _place_words(resource: Json, phrases: list[str]) -> None:
    """Puts a phrase into the narrative, and another elsewhere."""
    resource.setdefault("text", {"status": "generated", "div": f'<div lang="fr"><p>{phrases[0]}</p></div>'})
    resource.setdefault("extension", []).append({"url": "http://x/note", "valueString": phrases[1]})


def _place_parts(resource: Json, base: Base, draw: st.DrawFn) -> None:
    """Puts values of some parts of a composite into one element."""
    holder = resource
    for key in base.steps:
        if isinstance(key, Key):
            holder = _enter(holder, key, draw(st.booleans()))
    for part in base.parts:
        usable = [route for route in part.routes if route.type in VALUES]
        if usable and draw(st.integers(0, 4)) > 0:
            route = draw(st.sampled_from(usable))
            _place(resource if part.is_of_resource else holder, route, draw(VALUES[route.type]), draw(st.booleans()))


def _enter(holder: Json, key: Key, is_apart: bool) -> Json:
    if not key.repeats:
        return holder.setdefault(key.name, {})
    items = holder.setdefault(key.name, [])
    if not items or is_apart or not isinstance(items[-1], dict):
        items.append({})
    return items[-1]


def _tokens(parameter: Parameter) -> st.SearchStrategy[str]:
    codes = st.one_of(_codes.map(escape), st.sampled_from(("true", "false")))
    if parameter.element_types in ({"boolean"}, {"ContactPoint"}):
        return codes
    systems = st.sampled_from(("", *SYSTEMS)).map(lambda text: f"{escape(text)}|")
    return st.one_of(
        codes, st.tuples(systems, codes).map("".join), st.sampled_from(SYSTEMS).map(lambda text: f"{escape(text)}|")
    )


def _prefixed(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(st.sampled_from(PREFIXES), values).map("".join)


def _quantity_texts() -> st.SearchStrategy[str]:
    systems = st.sampled_from(("", *SYSTEMS)).map(escape)
    units = st.tuples(systems, st.sampled_from(("", *UNITS))).map(lambda pair: f"|{pair[0]}|{pair[1]}")
    return _prefixed(st.tuples(st.sampled_from(NUMBERS), st.one_of(st.just(""), units)).map("".join))


def _beginnings() -> st.SearchStrategy[str]:
    return st.tuples(_texts, st.integers(1, 12)).map(lambda pair: escape(pair[0][: pair[1]]))


_asked_words = st.tuples(st.sampled_from(PHRASES), st.integers(0, 8), st.integers(4, 30)).map(
    lambda cut: escape(cut[0][cut[1] : cut[2]])
)


def _parts() -> st.SearchStrategy[str]:
    """A piece of a text."""
    return st.tuples(_texts, st.integers(0, 4), st.integers(2, 12)).map(lambda cut: escape(cut[0][cut[1] : cut[2]]))


def texts_of(parameter: Parameter) -> st.SearchStrategy[str]:
    """One alternative of a parameter, as a client writes it."""
    makers: dict[str, Callable[[], st.SearchStrategy[str]]] = {
        "token": lambda: _tokens(parameter),
        "string": _beginnings,
        "date": lambda: _prefixed(st.sampled_from((*DATES, *MOMENTS, *SEARCHED_MOMENTS, "2024-06-01"))),
        "number": lambda: _prefixed(st.sampled_from(NUMBERS)),
        "quantity": _quantity_texts,
        "reference": lambda: st.sampled_from((*IDS, *REFERENCES, *CANONICALS)).map(escape),
        "uri": lambda: _pointers.map(escape),
        "special": lambda: st.tuples(st.sampled_from(PLACES), st.sampled_from(DISTANCES)).map("".join),
        "composite": lambda: st.tuples(*map(texts_of, parameter.components)).map("$".join),
    }
    if parameter.code == FILTER:
        return filters(parameter.resource_type)
    return _asked_words if parameter.code in WORDED else makers[parameter.type]()


def filters(resource_type: str) -> st.SearchStrategy[str]:
    """Filters on the parameters of a type, with parentheses and without."""
    known = [SPACE.parameters(resource_type)[code] for code in EVERY_PARAMETER[resource_type] if code != FILTER]

    def join(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        joined = st.tuples(inner, st.sampled_from((" and ", " or ")), inner).map("".join)
        return st.one_of(joined, inner.map("({})".format), inner.map("not ({})".format))

    return st.recursive(st.sampled_from(known).flatmap(_tests), join, max_leaves=4)


def _tests(parameter: Parameter) -> st.SearchStrategy[str]:
    operations = st.sampled_from((*OPERATIONS_OF.get(parameter.type, ("eq", "ne")), "pr"))
    return operations.flatmap(lambda operation: _values(parameter, operation)).map(f"{parameter.code} {{}}".format)


def _values(parameter: Parameter, operation: str) -> st.SearchStrategy[str]:
    values = st.sampled_from(("true", "false"))
    if operation in {"ss", "sb", "in"}:
        values = modified_texts_of(parameter, {"ss": "below", "sb": "above", "in": "in"}[operation])
    elif operation != "pr":
        values = texts_of(parameter)
    return values.map(lambda text: f"{operation} {json.dumps(text.replace(chr(92), ''), ensure_ascii=False)}")


def _targets(parameter: Parameter) -> list[str]:
    """The types that are modifiers of a reference, as far as there are references to them here."""
    return [name for name in ("Patient", "Group") if find_modifier(parameter, name)]


def modified_texts_of(parameter: Parameter, modifier: str) -> st.SearchStrategy[str]:
    """One alternative of a parameter with a modifier."""
    few: dict[str, Callable[[], st.SearchStrategy[str]]] = {
        **dict.fromkeys(("in", "not-in"), lambda: st.sampled_from(sorted(VALUE_SETS))),
        "of-type": lambda: st.tuples(st.sampled_from(SYSTEMS[2:4]).map(escape), *[_few.map(escape)] * 2).map("|".join),
        "not": lambda: texts_of(parameter),
        "missing": lambda: st.sampled_from(("true", "false")),
        "exact": lambda: _texts.map(escape),
        **dict.fromkeys(("contains", "text"), _parts),
        "identifier": lambda: _tokens(parameter),
        **dict.fromkeys(("Patient", "Group"), lambda: st.sampled_from((*IDS, *REFERENCES)).map(escape)),
    }
    if modifier in few:
        return few[modifier]()
    if parameter.type == "token":
        media_types = st.sampled_from(("a", "b", "a/b", "a/b; c", "a/b;c; d")).map(
            lambda code: f"urn:ietf:bcp:13|{code}"
        )
        known = _codes.map(lambda code: f"http://s|{escape(code)}")
        return st.one_of(known, media_types)
    return st.sampled_from((*URLS, *CANONICALS)).map(escape)


@dataclass(frozen=True)
class Asked:
    """A search as a client writes it, and its clause."""

    text: str
    clause: Clause


@st.composite
def searches(draw: st.DrawFn, focus: Focus = EVERY_PARAMETER) -> Asked:
    """A search with one to three parameters on a type or on the system; what is refused selects nothing."""
    resource_type = draw(st.sampled_from((*focus, *focus, *focus, None)))
    known = SPACE.common_parameters((resource_type,) if resource_type else ())
    codes = [*ALWAYS, *list(focus[resource_type]) * 3] if resource_type else sorted(known)
    parameters: list[tuple[str, str]] = []
    for code in draw(st.lists(st.sampled_from(codes), min_size=1, max_size=3)):
        texts = st.sampled_from(IDS) if code == "_id" else texts_of(known[code])
        modifiers = [] if code == "_id" else [*sorted(modifiers_of(known[code])), *_targets(known[code])]
        modifier = draw(st.sampled_from((*modifiers, *[""] * (len(modifiers) + 1))))
        if modifier:
            texts = modified_texts_of(known[code], modifier)
        name = f"{code}:{modifier}" if modifier else code
        most = 1 if code == FILTER else 3
        parameters.append((name, ",".join(draw(st.lists(texts, min_size=1, max_size=most)))))
    parameters += draw(st.sampled_from(((), (), (("_contained", "true"),), (("_contained", "both"),))))
    try:
        query = parse_search(
            resource_type, parameters, space=SPACE, handling=Handling.STRICT, now=NOW, terms=TERMS, may_contain=True
        )
    except FhirError:
        return Asked(f"{resource_type}?{parameters}: refused", Nothing())
    return Asked(f"{resource_type}?{parameters}", query.clause)


def clauses(focus: Focus = EVERY_PARAMETER) -> st.SearchStrategy[Clause]:
    """Boolean combinations of searches."""
    leaves = st.one_of(searches(focus).map(lambda asked: asked.clause), st.just(Everything()), st.just(Nothing()))

    def combine(inner: st.SearchStrategy[Clause]) -> st.SearchStrategy[Clause]:
        several = st.lists(inner, max_size=3).map(tuple)
        return st.one_of(several.map(And), several.map(Or), inner.map(Not))

    return st.recursive(leaves, combine, max_leaves=4)


@dataclass(frozen=True)
class World:
    """Resources of a few types, and searches and clauses about them."""

    resources: tuple[Json, ...]
    searches: tuple[Asked, ...]
    clauses: tuple[Clause, ...]


@st.composite
def worlds(draw: st.DrawFn, *, size: int, asked: int = 0, combined: int = 0) -> World:
    """So many resources, searches and combinations of searches, all of one focus."""
    focus = draw(foci())
    return World(
        tuple(draw(resources(str(number), focus)) for number in range(size)),
        tuple(draw(searches(focus)) for _ in range(asked)),
        tuple(draw(clauses(focus)) for _ in range(combined)),
    )


@st.composite
def sorts(draw: st.DrawFn, resource_type: str, codes: Sequence[str]) -> tuple[Sort, ...]:
    """The sort rules of a `_sort` with one to three keys; those that are no order are left out."""
    chosen = draw(st.lists(st.sampled_from((*codes, *codes, *ALWAYS)), min_size=1, max_size=3))
    written = ",".join(draw(st.sampled_from(("", "-"))) + code for code in chosen)
    parameters = [("_sort", written)]
    return parse_search(resource_type, parameters, space=SPACE, handling=Handling.LENIENT, now=NOW).sort
