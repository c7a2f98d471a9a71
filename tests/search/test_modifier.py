"""Modifiers: which parameter takes which, what is refused, and what hostile values cost."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_dmp.outcome import Category, FhirError
from fhir_dmp.search.draft import Limits
from fhir_dmp.search.modifier import modifiers_of
from fhir_dmp.search.parse import parse_search
from fhir_dmp.search.query import Handling, SearchQuery
from fhir_dmp.search.terms import NO_TERMS, Terms
from fhir_dmp.terminology.terminology import Terminology
from tests.strategies.search import NOW, TERMS, make_space

Json = Any

SPACE = make_space(("Patient", "Observation", "ValueSet", "CarePlan", "DocumentReference"))
LIMITS = Limits()


def parse(name: str, value: str, resource_type: str = "Observation", terms: Terms = TERMS) -> SearchQuery:
    return parse_search(resource_type, [(name, value)], space=SPACE, handling=Handling.LENIENT, now=NOW, terms=terms)


def refusal(name: str, value: str, resource_type: str = "Observation", terms: Terms = TERMS) -> tuple[Category, str]:
    """The category and code of the error, which names the parameter as it is written."""
    with pytest.raises(FhirError) as raised:
        parse(name, value, resource_type, terms)
    issue = raised.value.issues[0]
    assert issue.expression == f"http.{name[:64]}"
    return raised.value.category, issue.code


def make_terms(*definitions: Json) -> Terms:
    return Terminology({row["url"]: row for row in definitions}.get)


def value_set(url: str, *include: Json) -> Json:
    return {"resourceType": "ValueSet", "url": url, "compose": {"include": list(include)}}


def code_system(size: int, content: str = "complete", **more: Json) -> Json:
    concepts = [{"code": f"c{number}"} for number in range(size)]
    return {"resourceType": "CodeSystem", "url": "http://c", "content": content, "concept": concepts, **more}


@pytest.mark.parametrize(
    ("resource_type", "code", "expected"),
    [
        ("Observation", "code", "not in not-in below above text missing"),
        ("Observation", "status", "not in not-in below above missing"),
        ("Observation", "identifier", "not of-type text missing"),
        ("Patient", "active", "not missing"),
        ("Patient", "phone", "not missing"),
        ("Patient", "_id", "not missing"),
        ("Patient", "_lastUpdated", "missing"),
        ("Patient", "name", "exact contains missing"),
        ("Patient", "birthdate", "missing"),
        ("Patient", "general-practitioner", "identifier missing"),
        ("Observation", "value-quantity", "missing"),
        ("Observation", "code-value-quantity", ""),
        ("ValueSet", "url", "below above missing"),
        ("CarePlan", "instantiates-canonical", "below above missing"),
        ("Observation", "_profile", "below above missing"),
    ],
)
def test_a_parameter_takes_the_modifiers_of_its_type_and_elements(resource_type: str, code: str, expected: str) -> None:
    assert [*modifiers_of(SPACE.parameters(resource_type)[code])] == expected.split()


def test_without_terms_only_the_modifiers_that_need_none_are_supported() -> None:
    for name, value in (("code:in", "http://v/all"), ("code:not-in", "http://v/all"), ("code:below", "http://s|a")):
        assert refusal(name, value, terms=NO_TERMS) == (Category.INVALID_PARAMETER, "parameter-modifier")
    assert parse("code:not", "a", terms=NO_TERMS).used == (("code:not", "a"),)


def test_a_value_set_of_too_many_codes_is_refused_with_the_limit() -> None:
    for size, is_refused in ((LIMITS.codes, False), (LIMITS.codes + 1, True)):
        terms = make_terms(code_system(size), value_set("http://v", {"system": "http://c"}))
        if is_refused:
            assert refusal("code:in", "http://v", terms=terms) == (Category.TOO_COSTLY, "expansion-too-large")
            with pytest.raises(FhirError, match="5,000 codes"):
                parse("code:not-in", "http://v", terms=terms)
        else:
            assert parse("code:in", "http://v", terms=terms).used


def test_the_value_sets_of_a_search_count_together() -> None:
    terms = make_terms(code_system(3000), value_set("http://v", {"system": "http://c"}))
    assert refusal("code:in", "http://v,http://v", terms=terms) == (Category.TOO_COSTLY, "search-too-costly")
    twice = [("code:in", "http://v"), ("code:not-in", "http://v")]
    with pytest.raises(FhirError, match="5,000 codes together"):
        parse_search("Observation", twice, space=SPACE, handling=Handling.STRICT, now=NOW, terms=terms)


def test_a_hierarchy_of_too_many_codes_is_refused() -> None:
    children = [{"code": "top", "concept": [{"code": f"c{number}"} for number in range(6000)]}]
    terms = make_terms(code_system(0, concept=children))
    assert refusal("code:below", "http://c|top", terms=terms) == (Category.TOO_COSTLY, "search-too-costly")
    assert parse("code:above", "http://c|c7", terms=terms).used


@pytest.mark.parametrize(
    ("definitions", "category", "code"),
    [
        ([], Category.INVALID_PARAMETER, "value-set-absent"),
        ([value_set("http://v", {"valueSet": ["http://v"]})], Category.UNPROCESSABLE, "value-set-circular"),
        (
            [value_set("http://v", {"valueSet": ["http://w"]}), value_set("http://w", {"valueSet": ["http://v"]})],
            Category.UNPROCESSABLE,
            "value-set-circular",
        ),
        ([value_set("http://v", {"system": "http://c"})], Category.UNPROCESSABLE, "code-system-absent"),
        ([value_set("http://v", {"valueSet": ["http://w"]})], Category.UNPROCESSABLE, "value-set-absent"),
        (
            [value_set("http://v", {"system": "http://c"}), code_system(2, "fragment")],
            Category.UNPROCESSABLE,
            "code-system-partial",
        ),
        ([value_set("http://v", "no object")], Category.UNPROCESSABLE, "malformed"),
        (
            [value_set("http://v", {"system": "urn:ietf:bcp:13"})],
            Category.TOO_COSTLY,
            "standard-endless",
        ),
    ],
)
def test_a_value_set_that_cannot_be_listed_whole_is_refused(
    definitions: list[Json], category: Category, code: str
) -> None:
    terms = make_terms(*definitions)
    for modifier in ("in", "not-in"):
        assert refusal(f"code:{modifier}", "http://v", terms=terms) == (category, code)


def test_codes_that_a_value_set_lists_need_no_code_system() -> None:
    listed = value_set("http://v", {"system": "http://c", "concept": [{"code": "a"}, {"code": "b"}]})
    for definitions in ([listed], [listed, code_system(2)], [listed, code_system(2, "fragment")]):
        assert len(make_terms(*definitions).members("http://v", 2)) == 2


def test_a_hierarchy_that_is_here_in_part_only_is_refused() -> None:
    terms = make_terms(code_system(2, "fragment"))
    assert refusal("code:below", "http://c|c0", terms=terms) == (Category.UNPROCESSABLE, "code-system-partial")


def test_a_hierarchy_that_does_not_mean_is_a_relates_no_codes() -> None:
    nested = [{"code": "top", "concept": [{"code": "part"}]}]
    terms = make_terms(code_system(0, concept=nested, hierarchyMeaning="part-of"))
    assert terms.narrower("http://c", "top") == ["top"]
    assert terms.wider("http://c", "part") == ["part"]


def test_a_circular_hierarchy_ends() -> None:
    concepts = [
        {"code": code, "property": [{"code": "child", "valueCode": child}]} for code, child in ("ab", "bc", "ca")
    ]
    terms = make_terms(code_system(0, concept=concepts))
    assert terms.narrower("http://c", "a") == ["a", "b", "c"]
    assert terms.wider("http://c", "a") == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("name", "value", "resource_type"),
    [
        ("url:above", "http://x" + "/a" * 4000, "ValueSet"),
        ("url:below", "urn:oid:1.2", "ValueSet"),
        ("url:below", "http://", "ValueSet"),
        ("url:below", "/a/b", "ValueSet"),
        ("contenttype:above", "text/xml" + ";a=b" * 2000, "DocumentReference"),
        ("code:below", "a", "Observation"),
        ("code:below", "a|b|c", "Observation"),
        ("identifier:of-type", "|".join("a" * 4000), "Patient"),
    ],
)
def test_values_without_the_form_of_their_modifier_are_refused(name: str, value: str, resource_type: str) -> None:
    assert refusal(name, value, resource_type) == (Category.INVALID_PARAMETER, "parameter-value")


def test_a_value_of_64_kilobytes_is_refused() -> None:
    for name in ("code:in", "code:below", "code:not", "identifier:of-type"):
        assert refusal(name, "a" * 65_536) == (Category.TOO_COSTLY, "search-too-costly")


@settings(deadline=None)
@given(
    st.sampled_from(["code", "status", "identifier", "_profile", "_id", "subject", "date", "_tag"]),
    st.one_of(st.sampled_from(["not", "in", "not-in", "above", "below", "of-type", "text", ""]), st.text(max_size=5)),
    st.one_of(
        st.text(alphabet="|\\,$:/.;%" + string.ascii_letters, max_size=30),
        st.text(max_size=10),
        st.text(max_size=10).map(lambda text: f"http://{text}"),
        st.text(max_size=10).map(lambda text: f"http://s|{text}"),
    ),
)
def test_no_text_raises_anything_but_a_fhir_error(code: str, modifier: str, value: str) -> None:
    try:
        query = parse(f"{code}:{modifier}", value)
    except FhirError:
        return
    again = parse_search("Observation", query.used, space=SPACE, handling=Handling.STRICT, now=NOW, terms=TERMS)
    assert again.clause == query.clause
