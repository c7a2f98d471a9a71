"""Displays (cases/displays.json), $lookup and $subsumes."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_dmp.outcome import Category, FhirError
from tests.terminology.definitions import build_terminology, read_cases

CASES = read_cases("displays")
TREE = read_cases("filters")["code_systems"]


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["name"])
def test_display(case: dict[str, Any]) -> None:
    terminology = build_terminology(CASES["definitions"])
    system, code = case["code"]
    assert terminology.match_display(system, code, case["display"], value_set="urn:vs").result == case["is"]


def test_wrong_display_is_answered_with_the_right_one() -> None:
    match = build_terminology(CASES["definitions"]).match_display("urn:c", "a", "Pear")
    assert (match.result, match.display) == ("wrong", "Old  apple")


def test_lookup_returns_what_the_code_system_and_its_supplements_say() -> None:
    concept = build_terminology(CASES["definitions"]).lookup_code("urn:c", "a")
    assert concept.display == "Old  apple"
    assert [row["value"] for row in concept.designations] == ["Vieille pomme", "Pomme âgée"]


def test_lookup_knows_parents_children_and_flags() -> None:
    terminology = build_terminology(TREE)
    assert terminology.lookup_code("urn:tree", "bat").parents == ("mammal", "flyer")
    assert terminology.lookup_code("urn:tree", "animal").children == ("mammal", "flyer")
    assert terminology.lookup_code("urn:tree", "animal").abstract
    assert terminology.lookup_code("urn:tree", "dodo").inactive
    assert not terminology.lookup_code("urn:tree", "cat").inactive


def test_lookup_finds_a_code_whatever_its_case_where_case_means_nothing() -> None:
    assert build_terminology(TREE).lookup_code("urn:loud", "TWO").code == "Two"


def test_lookup_of_a_standard() -> None:
    assert build_terminology([]).lookup_code("http://unitsofmeasure.org", "mg/dL").code == "mg/dL"


@pytest.mark.parametrize(
    ("system", "code", "issue"),
    [
        ("urn:tree", "unicorn", "code-unknown"),
        ("urn:absent", "a", "code-system-absent"),
        ("urn:nowhere", "a", "code-system-absent"),
        ("urn:part", "zzz", "code-system-partial"),
        ("http://unitsofmeasure.org", "mmHg", "code-unknown"),
    ],
)
def test_lookup_of_what_is_not_here_is_refused(system: str, code: str, issue: str) -> None:
    with pytest.raises(FhirError) as fault:
        build_terminology(TREE).lookup_code(system, code)
    assert (fault.value.category, fault.value.issues[0].code) == (Category.NOT_FOUND, issue)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("cat", "cat", "equivalent"),
        ("animal", "cat", "subsumes"),
        ("cat", "animal", "subsumed-by"),
        ("flyer", "bat", "subsumes"),
        ("cat", "bat", "not-subsumed"),
    ],
)
def test_subsumes(left: str, right: str, expected: str) -> None:
    assert build_terminology(TREE).subsumes("urn:tree", left, right) == expected


def test_a_hierarchy_of_parts_does_not_subsume() -> None:
    concepts = [{"code": "hand", "concept": [{"code": "finger"}]}]
    system = {"url": "urn:c", "resourceType": "CodeSystem", "content": "complete", "concept": concepts}
    terminology = build_terminology([system | {"hierarchyMeaning": "part-of"}])
    assert terminology.subsumes("urn:c", "hand", "finger") == "not-subsumed"


def test_codes_of_a_fragment_may_relate_by_what_is_not_here() -> None:
    terminology = build_terminology(TREE)
    assert terminology.subsumes("urn:part", "a", "b") == "subsumes"
    with pytest.raises(FhirError) as fault:
        terminology.subsumes("urn:part", "a", "c")
    assert fault.value.issues[0].code == "code-system-partial"
