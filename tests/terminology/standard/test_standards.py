"""Code systems by their standards: what belongs, what does not, what cannot be told (cases/standards.json)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.loader import load_definitions
from fhir_dmp.terminology.membership import Member
from fhir_dmp.terminology.standard.country_codes import COUNTRIES
from fhir_dmp.terminology.terminology import Terminology
from tests.terminology.definitions import build_terminology, read_cases

CASES = {url: answers for url, answers in read_cases("standards").items() if url != "about"}
ASKED = [(url, code, answer) for url, answers in CASES.items() for answer, codes in answers.items() for code in codes]


@pytest.fixture(scope="module")
def terminology() -> Terminology:
    """No definitions: only standards."""
    return build_terminology([], time_zones=["Europe/Paris", "UTC"])


@pytest.mark.parametrize(("url", "code", "expected"), ASKED)
def test_code_of_a_standard(url: str, code: str, expected: str, terminology: Terminology) -> None:
    answer = terminology.in_code_system(url, code)
    assert answer.member.value == expected
    assert bool(answer.message) is (answer.member is not Member.YES)


@pytest.mark.parametrize("url", CASES)
@given(code=st.text(max_size=300))
def test_any_text_has_an_answer(url: str, code: str, terminology: Terminology) -> None:
    assert terminology.in_code_system(url, code).member in Member


def test_standards_do_not_depend_on_versions(terminology: Terminology) -> None:
    assert terminology.in_code_system("http://unitsofmeasure.org", "mg", version="2.1").member is Member.YES


def test_time_zones_are_unknown_where_their_names_are_not_given() -> None:
    answer = build_terminology([]).in_code_system("https://www.iana.org/time-zones", "Europe/Paris")
    assert (answer.member, answer.cause) == (Member.UNKNOWN, "code-system-absent")


def _listed_in_r4(url: str, system: str) -> list[str]:
    definition = next(row for row in load_definitions("terminology") if row.get("url") == url)
    includes: list[dict[str, Any]] = definition["compose"]["include"]
    return [row["code"] for part in includes if part["system"] == system for row in part["concept"]]


@pytest.mark.parametrize(
    ("value_set", "system"),
    [
        ("ucum-common", "http://unitsofmeasure.org"),
        ("languages", "urn:ietf:bcp:47"),
        ("iso3166-1-2", "urn:iso:std:iso:3166"),
    ],
)
def test_all_codes_that_r4_lists_of_a_standard_are_codes_of_it(
    value_set: str, system: str, terminology: Terminology
) -> None:
    codes = _listed_in_r4(f"http://hl7.org/fhir/ValueSet/{value_set}", system)
    assert len(codes) > 40
    assert [code for code in codes if terminology.in_code_system(system, code).member is not Member.YES] == []


def test_countries_are_249_with_three_distinct_codes_each() -> None:
    assert len(COUNTRIES) == 249
    assert [len({row[column] for row in COUNTRIES}) for column in range(3)] == [249, 249, 249]
    assert sorted(_listed_in_r4("http://hl7.org/fhir/ValueSet/iso3166-1-2", "urn:iso:std:iso:3166")) == sorted(
        row[0] for row in COUNTRIES
    )
