"""Composition: contents, versions, supplements, imports, exclusions and circles (cases/composition.json)."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_dmp.terminology.membership import Member
from fhir_dmp.terminology.terminology import Terminology
from tests.terminology.definitions import build_terminology, read_cases

CASES = read_cases("composition")


@pytest.fixture(scope="module")
def terminology() -> Terminology:
    """The definitions of the cases; urn:c is in force in its version 2."""
    return build_terminology(CASES["definitions"])


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["name"])
def test_membership(case: dict[str, Any], terminology: Terminology) -> None:
    value_set, system, code, *version = case["ask"]
    answer = terminology.membership(value_set, system, code, version="".join(version), infer_system=not system)
    assert answer.member.value == case["is"]
    assert case.get("why") in {None, answer.cause}
    assert bool(answer.message) or answer.member is not Member.UNKNOWN


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["name"])
def test_membership_does_not_depend_on_what_was_asked_before(case: dict[str, Any], terminology: Terminology) -> None:
    value_set, system, code, *version = case["ask"]
    for canonical in {row["ask"][0] for row in CASES["cases"]}:
        terminology.membership(canonical, system, code)
    answer = terminology.membership(value_set, system, code, version="".join(version), infer_system=not system)
    alone = build_terminology(CASES["definitions"])
    assert (
        alone.membership(value_set, system, code, version="".join(version), infer_system=not system).member
        is answer.member
    )


def test_every_content_mode_has_a_case() -> None:
    contents = {row["content"] for row in CASES["definitions"] if row["resourceType"] == "CodeSystem"}
    assert contents == {"complete", "fragment", "example", "not-present", "supplement"}


def test_a_circle_names_the_value_sets_in_it(terminology: Terminology) -> None:
    answer = terminology.membership("urn:vs:circle-1", "urn:c", "a")
    assert answer.message.endswith("urn:vs:circle-1 → urn:vs:circle-2 → urn:vs:circle-3 → urn:vs:circle-1")


def _chain(length: int, last: list[str]) -> list[dict[str, Any]]:
    """Value sets of which each imports the next twice."""
    following = [[f"urn:vs:{number + 1}"] * 2 for number in range(length)] + [last]
    return [
        {
            "resourceType": "ValueSet",
            "url": f"urn:vs:{number}",
            "status": "active",
            "compose": {"include": [{"system": "urn:c"}, *({"valueSet": [name]} for name in names)]},
        }
        for number, names in enumerate(following)
    ]


def test_ten_thousand_nested_imports_are_followed() -> None:
    code_system = {"resourceType": "CodeSystem", "url": "urn:c", "content": "complete", "concept": [{"code": "a"}]}
    terminology = build_terminology([code_system, *_chain(10_000, [])])
    assert terminology.membership("urn:vs:0", "urn:c", "a").member is Member.YES


def test_a_circle_of_ten_thousand_is_named_briefly() -> None:
    terminology = build_terminology(_chain(10_000, ["urn:vs:0"]))
    answer = terminology.membership("urn:vs:5", "urn:c", "a")
    assert answer.cause == "value-set-circular"
    assert len(answer.message) < 300


def test_deeply_nested_concepts_are_read() -> None:
    concept: dict[str, Any] = {"code": "0"}
    for number in range(1, 5000):
        concept = {"code": str(number), "concept": [concept]}
    row = {"property": "concept", "op": "is-a", "value": "4000"}
    terminology = build_terminology(
        [
            {"resourceType": "CodeSystem", "url": "urn:c", "content": "complete", "concept": [concept]},
            {
                "resourceType": "ValueSet",
                "url": "urn:vs",
                "compose": {"include": [{"system": "urn:c", "filter": [row]}]},
            },
        ]
    )
    assert terminology.membership("urn:vs", "urn:c", "0").member is Member.YES
    assert terminology.membership("urn:vs", "urn:c", "4001").member is Member.NO


def test_a_hierarchy_in_a_circle_ends() -> None:
    concepts = [
        {"code": code, "property": [{"code": "parent", "valueCode": parent}]}
        for code, parent in ("ab", "bc", "ca", "dd")
    ]
    row = {"property": "concept", "op": "descendent-of", "value": "a"}
    terminology = build_terminology(
        [
            {"resourceType": "CodeSystem", "url": "urn:c", "content": "complete", "concept": concepts},
            {
                "resourceType": "ValueSet",
                "url": "urn:vs",
                "compose": {"include": [{"system": "urn:c", "filter": [row]}]},
            },
        ]
    )
    answers = {code: terminology.membership("urn:vs", "urn:c", code).member for code in "abcd"}
    assert answers == {"a": Member.NO, "b": Member.YES, "c": Member.YES, "d": Member.NO}


def test_endless_versions_of_codings_are_answered(terminology: Terminology) -> None:
    answers = {terminology.membership("urn:vs:c", "urn:c", "a", version=str(number)).cause for number in range(3, 300)}
    assert answers == {"version-absent"}


@pytest.mark.parametrize("systems", [1, 10_000])
def test_ten_thousand_includes_and_excludes_are_read(systems: int) -> None:
    rows = [{"system": f"urn:{number % systems}", "concept": [{"code": str(number)}]} for number in range(10_000)]
    compose = {"include": rows, "exclude": rows[::2]}
    terminology = build_terminology([{"resourceType": "ValueSet", "url": "urn:vs", "compose": compose}])
    assert terminology.membership("urn:vs", f"urn:{9_999 % systems}", "9999").member is Member.YES
    assert terminology.membership("urn:vs", f"urn:{9_998 % systems}", "9998").member is Member.NO


def test_ten_thousand_circles_are_found() -> None:
    chain = _chain(10_000, [])
    for row in chain:
        row["compose"]["include"].append({"valueSet": ["urn:vs:0"]})
    assert build_terminology(chain).membership("urn:vs:0", "urn:c", "a").cause == "value-set-circular"
