"""Facts of resources: tables by FHIR type, agreement with FHIRPath on the specification's examples, no surprises."""

from __future__ import annotations

import os
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_dmp.fhirpath.compile import compile_expression
from fhir_dmp.json_text import parse_json
from fhir_dmp.search.conversion import make_conversion
from fhir_dmp.search.facts import BEGINNING, END, DateFact, Facts, LinkFact, QuantityFact, StringFact, TokenFact
from fhir_dmp.search.found import Found, Target
from fhir_dmp.search.index import Indexer
from fhir_dmp.search.links import EXACT, IDENTIFIER, OF_TYPE, TEXT, UCUM, type_of
from fhir_dmp.search.path import Route
from fhir_dmp.search.space import ALWAYS, WORDED, Parameter, SearchSpace
from fhir_dmp.spec.search_parameter import ParameterType, SearchParameter
from tests.strategies.search import BASE_URL, SPACE, make_space, resources

CASES = parse_json((Path(__file__).parent / "cases" / "facts.json").read_bytes())
SHARED = Path(os.environ.get("FHIR_DMP_SHARED", Path(__file__).parents[3] / "shared"))
EXAMPLES = SHARED / "corpus" / "spec-examples"
KINDS = ("tokens", "strings", "links", "dates", "quantities")
INDEXER = Indexer(SPACE)


@cache
def wide_space() -> SearchSpace:
    """Every parameter of every type."""
    return make_space(sorted(SPACE.registry.resource_types))


@cache
def wide_indexer() -> Indexer:
    """An indexer of every parameter of every type."""
    return Indexer(wide_space())


def plain(facts: Facts, kind: str) -> list[list[Any]]:
    """Facts as the table writes them."""
    named = {BEGINNING: "beginning", END: "end"}
    rows = [[str(item) if isinstance(item, Decimal) else item for item in fact] for fact in getattr(facts, kind)]
    return [[named.get(item, item) if type(item) is int else item for item in row] for row in rows]


@pytest.mark.parametrize("case", CASES, ids=[case["what"] for case in CASES])
def test_resource_has_the_facts_of_the_table(case: Any) -> None:
    facts = wide_indexer().facts({"id": "1", **case["resource"]})
    expected = case["facts"]
    for kind in KINDS:
        assert plain(facts, kind) == expected.get(kind, []), kind
    assert facts.patient == expected.get("patient")
    assert [list(code) for code in facts.codes] == expected.get("codes", [])
    assert (facts.date.parameter if facts.date else None) == expected.get("date")


def test_facts_carry_identity_and_time() -> None:
    facts = INDEXER.facts(
        {"resourceType": "Patient", "id": "x", "meta": {"lastUpdated": "2024-06-01T02:00:00.007+02:00"}}
    )
    assert facts[:3] == ("Patient", "x", 1_717_200_000_007)
    assert facts.patient == "x"


def test_the_same_fact_is_kept_once() -> None:
    coding = {"coding": [{"code": "a"}, {"code": "a"}]}
    assert len(INDEXER.facts({"resourceType": "Observation", "id": "1", "code": coding, "category": []}).codes) == 1


def test_of_a_main_date_given_twice_the_first_counts() -> None:
    facts = INDEXER.facts(
        {"resourceType": "Observation", "id": "1", "effectiveDateTime": "2020", "effectivePeriod": {"start": "2021"}}
    )
    assert facts.dates == (facts.date,)
    assert facts.date == DateFact("date", 1_577_833_200_000, 1_609_455_600_000)


def test_an_array_where_the_element_does_not_repeat_has_no_facts() -> None:
    subjects = [{"reference": "Patient/1"}, {"reference": "Patient/2"}]
    facts = INDEXER.facts({"resourceType": "Observation", "id": "1", "subject": subjects, "category": {"coding": []}})
    assert (facts.links, facts.tokens, facts.patient) == ((), (), None)


def examples() -> list[Path]:
    """The specification's example resources."""
    return sorted(EXAMPLES.rglob("*.json"))


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason=f"{EXAMPLES} is absent: set FHIR_DMP_SHARED")
def test_routes_find_what_fhirpath_finds_in_every_example_of_the_specification() -> None:
    compared = 0
    for file in examples():
        resource = parse_json(file.read_bytes())
        if resource.get("resourceType") not in SPACE.registry.resource_types:
            continue
        facts = wide_indexer().facts({"id": "1", **resource})
        for parameter in wide_space().parameters(resource["resourceType"]).values():
            if parameter.code not in (*ALWAYS, *WORDED, "_filter"):
                expected = evaluate(resource, parameter)
                assert found_by(facts, parameter) == expected, (file.name, parameter.code)
                compared += any(expected.values())
    assert compared > 2_500


def found_by(facts: Facts, parameter: Parameter) -> dict[str, set[Any]]:
    """The facts of one parameter; of codes, those without their implicit system."""
    suffixes = (OF_TYPE, EXACT, TEXT, IDENTIFIER, UCUM)
    names = {parameter.code, *(f"{parameter.code}:{suffix}" for suffix in suffixes)}
    rows = {kind: {fact for fact in getattr(facts, kind) if fact.parameter in names} for kind in KINDS}
    implicit = {SPACE.systems.get(route.value_set) for route in parameter.paths.routes if route.type == "code"}
    rows["tokens"] = {fact for fact in rows["tokens"] if fact.system not in implicit}
    return rows


def evaluate(resource: Any, parameter: Parameter) -> dict[str, set[Any]]:
    """The facts of what the whole expression selects."""
    definition = SPACE.registry.search_parameter(parameter.url)
    assert definition is not None
    program = compile_expression(definition.expression, model=SPACE.registry, type_name=parameter.resource_type)
    found = Found()
    for value, type_name in ends(program.evaluate(resource, resolve=stand_in)):
        element = next(iter(parameter.paths.elements), "")
        target = Target(
            parameter.code,
            Route((), type_name, element=element),
            "",
            BASE_URL,
            SPACE.zone,
            SPACE.registry.resource_types,
        )
        conversion = make_conversion(parameter.type, target)
        if conversion:
            conversion(value, found)
    implicit = {SPACE.systems.get(route.value_set) for route in parameter.paths.routes if route.type == "code"}
    rows = {kind: set(getattr(found, kind)) for kind in KINDS}
    rows["tokens"] = {fact for fact in rows["tokens"] if fact.system not in implicit}
    return rows


def stand_in(reference: str) -> Any:
    """A resource of the type that a reference leads to."""
    return {"resourceType": type_of(reference)} if type_of(reference) in SPACE.registry.resource_types else None


def ends(nodes: list[Any]) -> Iterator[tuple[Any, str]]:
    """Values with their types; an extension stands for its value."""
    for node in nodes:
        if node.type_name == "Extension":
            for child in SPACE.registry.group("Extension").properties.values():
                if child.element.name == "value" and child.key in node.value:
                    yield node.value[child.key], child.type.code
        else:
            yield node.value, node.type_name


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("2024-13-45")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(resources("1"), st.data())
def test_whatever_stands_in_a_resource_nothing_is_raised(resource: Any, data: st.DataObject) -> None:
    for key in data.draw(st.lists(st.sampled_from(sorted(resource)), max_size=4)):
        if key not in {"resourceType", "id"}:
            resource[key] = spoil(resource[key], data)
    facts = INDEXER.facts(resource)
    assert all(date.low < date.high for date in facts.dates)
    assert all(quantity.low <= quantity.high for quantity in facts.quantities)


@pytest.mark.parametrize("name", [[], {}, None, 1, ["a"]])
def test_contained_resource_with_an_id_that_is_none_has_no_facts_of_it(name: Any) -> None:
    row = {"resourceType": "Appointment", "id": "1", "contained": [{"resourceType": "Patient", "id": name}]}
    assert INDEXER.facts(row).contained == ()


def spoil(value: Any, data: st.DataObject) -> Any:
    """The value with something else at a random place in it."""
    if isinstance(value, dict) and value and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(sorted(value)))
        return {**value, key: spoil(value[key], data)}
    if isinstance(value, list) and value and data.draw(st.booleans()):
        return [spoil(value[0], data), *value[1:]]
    return data.draw(JSON)


@pytest.mark.parametrize(
    ("kind", "expression", "found"),
    [
        ("number", "Patient.name.count()", QuantityFact("own", Decimal(2), Decimal(2), "", "", "")),
        ("number", "Patient.name.count() / 4", QuantityFact("own", Decimal("0.5"), Decimal("0.5"), "", "", "")),
        ("string", "Patient.name.given.first() & ' ' & Patient.name.family.first()", StringFact("own", "Z Le", False)),
        ("token", "Patient.gender.upper()", TokenFact("own", "", "FEMALE")),
        ("token", "Patient.name.exists()", TokenFact("own", "", "true")),
        ("uri", "Patient.meta.source.replace('#1', '')", LinkFact("own", "http://x")),
        ("reference", "Patient.select('Patient/' & id)", LinkFact("own", "Patient/1")),
    ],
)
def test_what_an_expression_computes_is_found_too(kind: ParameterType, expression: str, found: Any) -> None:
    """Nothing refuses such a parameter of the server's own: without facts it would find nothing, in silence."""
    space = make_space(("Patient",))
    space.define([SearchParameter("http://x/own", "own", kind, ("Patient",), expression, (), ())])
    names = [{"family": "Le", "given": ["Z"]}, {"family": "X"}]
    row = {"resourceType": "Patient", "id": "1", "meta": {"source": "http://x#1"}, "gender": "female", "name": names}
    facts = Indexer(space).facts(row)
    assert found in (*facts.tokens, *facts.strings, *facts.links, *facts.quantities)


def test_extension_whose_url_is_no_text_is_nobodys_name() -> None:
    assert INDEXER.facts({"resourceType": "Patient", "id": "1", "extension": [{"url": []}]}).patient == "1"
