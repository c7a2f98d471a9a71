"""Parsing a search: what is refused, what is left out with a warning, what the query says then."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fhir_dmp.outcome import Category, FhirError
from fhir_dmp.search.draft import Limits
from fhir_dmp.search.parse import parse_search
from fhir_dmp.search.query import AboutPatient, And, Handling, Has, OfType, SearchQuery, Sort, Total
from tests.strategies.search import NOW, make_space

REFUSED = json.loads((Path(__file__).parent / "cases" / "refused.json").read_text(encoding="utf8"))
SPACE = make_space(("Patient", "Observation", "Condition", "RiskAssessment"))
LIMITS = Limits()


def parse(
    query: str,
    resource_type: str | None = "Observation",
    handling: Handling = Handling.STRICT,
    limits: Limits = LIMITS,
) -> SearchQuery:
    parameters = parse_qsl(query, keep_blank_values=True)
    return parse_search(resource_type, parameters, space=SPACE, handling=handling, now=NOW, limits=limits)


@pytest.mark.parametrize("case", REFUSED, ids=[f"{case['line']}-{case['type']}-{case['query']}" for case in REFUSED])
def test_refused_search_names_its_parameter(case: Any) -> None:
    handling = Handling.LENIENT if case.get("lenient") else Handling.STRICT
    with pytest.raises(FhirError) as refusal:
        parse(case["query"], case["type"], handling)
    assert refusal.value.category is Category.INVALID_PARAMETER
    issue = refusal.value.issues[0]
    assert (issue.code, issue.expression, issue.severity) == (case["code"], case["expression"], "error")


def test_unknown_parameter_is_ignored_with_a_warning_where_handling_is_lenient() -> None:
    query = parse("birthdat=2000&gender=male&nonsense=1", "Patient", Handling.LENIENT)
    assert query.used == (("gender", "male"),)
    assert [(issue.severity, issue.expression) for issue in query.ignored] == [
        ("warning", "http.birthdat"),
        ("warning", "http.nonsense"),
    ]
    assert "birthdate" in query.ignored[0].message
    assert query.clause == parse("gender=male", "Patient").clause


def test_strict_handling_names_every_unknown_parameter() -> None:
    with pytest.raises(FhirError) as refusal:
        parse("nonsense=1&code=a&birthdate=2000")
    assert [issue.expression for issue in refusal.value.issues] == ["http.nonsense", "http.birthdate"]


@pytest.mark.parametrize(
    ("query", "used"),
    [
        ("", ()),
        ("code=&date=", ()),
        ("code=,", ()),
        ("code=a,&date=2020", (("code", "a,"), ("date", "2020"))),
        ("code=a&code=b", (("code", "a"), ("code", "b"))),
        ("_count=5000", (("_count", "1000"),)),
        ("_count=99999999999999999999", (("_count", "1000"),)),
        ("_sort=-date,status,-date", (("_sort", "-date,status"),)),
        ("_summary=count&_total=none&_count=007", (("_summary", "count"), ("_total", "none"), ("_count", "7"))),
        ("_summary=false", (("_summary", "false"),)),
        ("code=a\\,b", (("code", "a\\,b"),)),
    ],
)
def test_used_parameters_are_those_of_the_self_link(query: str, used: tuple[tuple[str, str], ...]) -> None:
    assert parse(query).used == used


def test_lenient_sort_keeps_the_keys_it_knows() -> None:
    query = parse("_sort=nonsense,-date", handling=Handling.LENIENT)
    assert query.sort == (Sort("date", "date", descending=True, is_main=True),)
    assert query.used == (("_sort", "-date"),)
    assert [issue.expression for issue in query.ignored] == ["http._sort"]


@pytest.mark.parametrize(
    ("query", "count", "total"),
    [
        ("", None, None),
        ("_count=0", 0, None),
        ("_count=20", 20, None),
        ("_count=20&_summary=count", 0, None),
        ("_total=accurate", None, Total.ACCURATE),
        ("_total=estimate&_count=1000", 1000, Total.ESTIMATE),
    ],
)
def test_results_are_shaped_as_asked(query: str, count: int | None, total: Total | None) -> None:
    parsed = parse(query)
    assert (parsed.count, parsed.total) == (count, total)


@pytest.mark.parametrize(
    ("query", "types"),
    [
        ("", ("Condition", "Observation", "Patient", "RiskAssessment")),
        ("_type=Patient", ("Patient",)),
        ("_type=Patient,Observation&_tag=a", ("Observation", "Patient")),
        ("_type=Patient,Observation&_type=Patient,Condition", ("Patient",)),
        ("_type=Patient&_type=Condition", ()),
        ("_type=", ("Condition", "Observation", "Patient", "RiskAssessment")),
    ],
)
def test_a_search_of_the_system_ranges_over_the_types_it_names(query: str, types: tuple[str, ...]) -> None:
    parsed = parse(query, None)
    assert parsed.resource_types == types
    assert (("_type", "Patient") in parsed.used) == ("_type=Patient" in query.split("&"))


def test_types_that_exclude_each_other_leave_nothing() -> None:
    assert parse("_type=Patient&_type=Condition", None).clause == OfType(())


def test_asking_for_the_reference_of_one_patient_is_asking_whom_a_resource_is_about() -> None:
    about = And((OfType(("Observation",)), AboutPatient(("23",))))
    for query in (
        "patient=23",
        "patient=Patient/23",
        "subject=Patient/23",
        "subject=https://dmp.example/fhir/Patient/23",
    ):
        assert parse(query).clause == And((OfType(("Observation",)), about)), query


@pytest.mark.parametrize(
    "query", ["subject=23", "subject=Patient/23/_history/1", "subject=Patient/23,Group/1", "performer=Patient/23"]
)
def test_other_references_are_asked_for_as_such(query: str) -> None:
    clause = parse(query).clause
    assert isinstance(clause, And)
    assert isinstance(clause.clauses[1], Has)


@pytest.mark.parametrize(
    ("query", "limit"),
    [
        ("&".join(["code=a"] * 201), "200"),
        (f"code={'a' * 8193}", "8192"),
        (f"code={','.join('a' * 1001)}", "1000"),
        (f"focus={','.join(['1'] * 100)}", "10000"),
        ("_sort=" + ",".join(["date"] * 9), "8"),
    ],
    ids=["parameters", "length", "alternatives", "comparisons", "sort keys"],
)
def test_a_search_beyond_a_limit_is_too_costly_and_names_it(query: str, limit: str) -> None:
    with pytest.raises(FhirError) as refusal:
        parse(query)
    assert refusal.value.category is Category.TOO_COSTLY
    assert limit in refusal.value.issues[0].message


def test_messages_do_not_repeat_long_values() -> None:
    with pytest.raises(FhirError) as refusal:
        parse(f"date={'9' * 5000}")
    assert len(refusal.value.issues[0].message) < 300


NAMES = st.one_of(
    st.sampled_from(
        sorted({*SPACE.parameters("Observation"), "_sort", "_count", "_total", "_summary", "_type", "a:b", "a.b"})
    ),
    st.text(max_size=12),
)
VALUES = st.one_of(
    st.text(),
    st.text(alphabet=string.digits + "eE+-.|,\\$TZ: gtlpaPtine/_hsory#"),
    st.text(alphabet=st.characters(categories=["Cs", "Ll", "Nd"])),
)


@settings(max_examples=1000)
@given(
    st.sampled_from(("Observation", "Patient", "RiskAssessment", None)),
    st.lists(st.tuples(NAMES, VALUES), max_size=4),
    st.sampled_from(Handling),
)
@example("RiskAssessment", [("probability", "9" * 64 + "." + "9" * 64 + "e6000")], Handling.STRICT)
@example("RiskAssessment", [("probability", "ap-1e-6000")], Handling.STRICT)
@example("Observation", [("date", "ap9999-12-31T23:59:60.999+14:00")], Handling.STRICT)
@example("Observation", [("date", "0001-01-01T00:00+14:00")], Handling.STRICT)
@example("Observation", [("\ud800", "a"), ("code", "\udfff")], Handling.LENIENT)
@example("Observation", [("_count", "٣")], Handling.LENIENT)
def test_whatever_the_text_the_parser_answers_or_refuses(
    resource_type: str | None, parameters: list[tuple[str, str]], handling: Handling
) -> None:
    try:
        query = parse_search(resource_type, parameters, space=SPACE, handling=handling, now=NOW)
    except FhirError as refusal:
        assert refusal.issues  # noqa: PT017
    else:
        assert {name for name, _ in query.used} <= {name for name, _ in parameters}


@settings(max_examples=300)
@given(
    st.sampled_from(("Observation", "Patient")),
    st.lists(st.tuples(NAMES, VALUES), max_size=4),
)
def test_searching_with_the_used_parameters_is_the_same_search(
    resource_type: str, parameters: list[tuple[str, str]]
) -> None:
    try:
        query = parse_search(resource_type, parameters, space=SPACE, handling=Handling.LENIENT, now=NOW)
    except FhirError:
        return
    again = parse_search(resource_type, query.used, space=SPACE, handling=Handling.STRICT, now=NOW)
    assert (again.clause, again.sort, again.count, again.total) == (query.clause, query.sort, query.count, query.total)
