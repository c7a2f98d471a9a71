"""The constraints we wrote: each against values that keep it and values that break it (cases/invariants.json).

Those of FR Core are also evaluated beside the published expressions, on the same values.
"""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_dmp.json_text import Json, JsonObject
from tests.profiles.asked import evaluate
from tests.profiles.shipped import PUBLISHED, constraints, package, shipped

CASES = orjson.loads((Path(__file__).parent / "cases" / "invariants.json").read_bytes())
OURS = {
    row["key"]: row for item in shipped("StructureDefinition") for _, row in constraints(item) if "expression" in row
}
VALUES = [(key, value) for key, case in CASES.items() for value in [*case["holds"], *case["fails"]]]
INS = "urn:oid:1.2.250.1.213.1.4.8"
WARNINGS = {
    "dmp-ins-2",
    "dmp-ins-3",
    "dmp-rpps-2",
    "dmp-finess-2",
    "dmp-patient-1",
    "dmp-patient-2",
    "dmp-consent-3",
    "fr-core-3",
}
"""What official examples and real people break: it never refuses a resource."""


def _outcome(key: str, value: JsonObject) -> list[Json]:
    return evaluate(OURS[key]["expression"], CASES[key]["type"], value)


def test_each_constraint_has_its_cases() -> None:
    assert CASES.keys() == OURS.keys()


def test_severities_are_as_meant() -> None:
    assert {key for key, row in OURS.items() if row["severity"] == "warning"} == WARNINGS


@pytest.mark.parametrize("key", CASES)
def test_constraint_is_true_of_good_values(key: str) -> None:
    assert [value for value in CASES[key]["holds"] if _outcome(key, value) != [True]] == []


@pytest.mark.parametrize("key", CASES)
def test_constraint_is_false_of_bad_values(key: str) -> None:
    assert [value for value in CASES[key]["fails"] if _outcome(key, value) != [False]] == []


def _key(number: str) -> int:
    return 97 - int(number.replace("2A", "19").replace("2B", "18")) % 97


DEPARTMENTS = st.one_of(st.integers(1, 99).map("{:02d}".format), st.sampled_from(["2A", "2B"]))
NUMBERS = st.builds(
    "{}{:04d}{}{:06d}".format, st.integers(1, 8), st.integers(0, 9999), DEPARTMENTS, st.integers(0, 999999)
)


@given(NUMBERS, st.integers(0, 99))
def test_key_of_a_matricule_is_checked_as_in_python(number: str, key: int) -> None:
    given_key = {"system": INS, "value": f"{number}{key:02d}"}
    right_key = {"system": INS, "value": f"{number}{_key(number):02d}"}
    assert _outcome("dmp-ins-3", given_key) == [key == _key(number)]
    assert _outcome("dmp-ins-3", right_key) == [True]


@given(st.from_regex(r"[0-9]{11}", fullmatch=True))
def test_luhn_digit_of_an_rpps_number_is_checked_as_in_python(number: str) -> None:
    digits = [int(digit) * (1 + position % 2) for position, digit in enumerate(number)]
    is_right = sum(digit - 9 if digit > 9 else digit for digit in digits) % 10 == 0
    assert _outcome("dmp-rpps-2", {"system": "https://rpps.esante.gouv.fr", "value": number}) == [is_right]


@given(
    st.text(max_size=20),
    st.sampled_from([INS, "https://rpps.esante.gouv.fr", "https://finess.esante.gouv.fr", "https://sirene.fr"]),
)
def test_identifier_constraints_answer_for_any_text(value: str, system: str) -> None:
    for key in (key for key, case in CASES.items() if case["type"] == "Identifier"):
        assert _outcome(key, {"system": system, "value": value}) in ([True], [False])


def test_expressions_of_fr_core_decide_as_the_published_ones() -> None:
    published = {
        row["key"]: row["expression"]
        for item in package(PUBLISHED["fr-core"]).values()
        if item["resourceType"] == "StructureDefinition"
        for _, row in constraints(item)
    }
    compared = [(key, value) for key, value in VALUES if key in published]
    assert {key for key, _ in compared} == published.keys()
    for key, value in compared:
        theirs = evaluate(published[key], CASES[key]["type"], value)
        assert _outcome(key, value) == theirs, (key, value)
