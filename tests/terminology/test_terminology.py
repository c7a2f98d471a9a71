"""Codings and concepts against value sets, as bindings ask."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_dmp.terminology.membership import Member
from fhir_dmp.terminology.terminology import Terminology
from tests.terminology.definitions import build_terminology, read_cases


@pytest.fixture(scope="module")
def terminology() -> Terminology:
    """The definitions of cases/composition.json."""
    return build_terminology(read_cases("composition")["definitions"])


IN = {"system": "urn:c", "code": "a"}
OUT = {"system": "urn:c", "code": "zzz"}
OPEN = {"system": "urn:nowhere", "code": "zzz"}


@pytest.mark.parametrize(
    ("coding", "member", "defined", "display"),
    [
        (IN, "yes", "yes", "unknown"),
        (OUT, "no", "no", "unknown"),
        (OPEN, "no", "unknown", "unknown"),
        ({"system": "urn:d", "code": "d"}, "no", "yes", "unknown"),
        ({"code": "a"}, "unknown", "unknown", "unknown"),
        ({"system": "urn:c", "display": "A"}, "no", "no", "unknown"),
        ({}, "no", "no", "unknown"),
        ({"system": 7, "code": ["a"], "display": {}}, "no", "no", "unknown"),
        (IN | {"version": "1"}, "yes", "yes", "unknown"),
        (IN | {"version": "9"}, "unknown", "unknown", "unknown"),
    ],
)
def test_coding(coding: dict[str, Any], member: str, defined: str, display: str, terminology: Terminology) -> None:
    answer = terminology.validate_coding("urn:vs:c", coding)
    found = (answer.membership.member.value, answer.defined.member.value, answer.display.result)
    assert found == (member, defined, display)


@pytest.mark.parametrize(
    ("value_set", "codings", "member"),
    [
        ("urn:vs:c", [OUT, IN], "yes"),
        ("urn:vs:c", [OUT, {"code": "a"}], "unknown"),
        ("urn:vs:c", [OUT, OPEN], "no"),
        ("urn:vs:contents", [OPEN, OUT], "unknown"),
        ("urn:vs:c", [], "no"),
    ],
)
def test_concept_belongs_where_one_coding_does(
    value_set: str, codings: list[dict[str, Any]], member: str, terminology: Terminology
) -> None:
    answer = terminology.validate_codeable_concept(value_set, {"coding": codings, "text": "free"})
    assert answer.membership.member.value == member
    assert len(answer.codings) == len(codings)


def test_code_without_system_is_not_guessed_unless_asked(terminology: Terminology) -> None:
    assert terminology.membership("urn:vs:c", "", "a").cause == "no-system"
    assert terminology.membership("urn:vs:c", "", "a", infer_system=True).member is Member.YES


@pytest.mark.parametrize("coding", [None, 7, {"code": "a"}, ["a"]])
def test_codings_that_are_none_are_left_to_the_validation_of_types(coding: Any, terminology: Terminology) -> None:
    assert terminology.validate_codeable_concept("urn:vs:c", {"coding": coding}).membership.member is Member.NO


def test_a_registry_that_takes_no_notice_of_versions_is_not_believed() -> None:
    found = {
        "resourceType": "CodeSystem",
        "url": "urn:c",
        "version": "1",
        "content": "complete",
        "concept": [{"code": "a"}],
    }
    terminology = Terminology(lambda canonical: found if canonical.startswith("urn:c") else None)
    assert terminology.in_code_system("urn:c", "a", version="1").member is Member.YES
    assert terminology.in_code_system("urn:c", "a", version="2").cause == "version-absent"
