"""All value sets of R4: each expands, or says why it does not."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from fhir_dmp.loader import load_definitions
from fhir_dmp.outcome import FhirError
from fhir_dmp.terminology.membership import Member
from fhir_dmp.terminology.stored_expansion import UNCLOSED, walk_contains
from fhir_dmp.terminology.terminology import Terminology
from tests.terminology.definitions import build_terminology

DEFINITIONS = [row for row in load_definitions("terminology") if "url" in row]
VALUE_SETS = [row for row in DEFINITIONS if row["resourceType"] == "ValueSet"]
THO = "http://terminology.hl7.org/CodeSystem"
ZONES = ["Europe/Paris", "Indian/Reunion"]

OUTCOMES = {
    "expanded": 1217,
    "expanded, unclosed": 9,  # fragments, examples, the codes that ISO 3166 leaves to its users, two misspelt codes
    "code-system-absent": 81,  # SNOMED CT, LOINC, RxNorm, NUCC, genomics, … none of which is in the package
    "standard-endless": 5,  # all units, all languages, all media types
    "value-set-absent": 2,  # two imports that the package does not have: dicom-cid29, usps-state
    "filter-not-evaluated": 1,  # example-filter: a filter that only its code system understands
    "version-absent": 1,  # task-code wants version 3.6.0 of a code system that is 4.0.1
}
UNCLOSED_SETS = {
    "appointment-cancellation-reason", "program", "service-category", "service-type",  # content: example
    "insuranceplan-type",  # content: fragment
    "iso3166-1-3", "iso3166-1-N", "v3-HumanLanguage",  # user-assigned countries
    "example-hierarchical",  # lists "tbrottled" and "lock", which its contained code system does not have
}  # fmt: skip


@pytest.fixture(scope="module")
def terminology() -> Terminology:
    """R4 alone, with two time zones."""
    return build_terminology(DEFINITIONS, time_zones=ZONES)


def _outcome(terminology: Terminology, url: str) -> tuple[str, dict[str, Any]]:
    try:
        expansion = terminology.expand(url, timestamp="2026-11-21")["expansion"]
    except FhirError as fault:
        return fault.issues[0].code, {}
    marked = any(row["url"] == UNCLOSED for row in expansion.get("extension", ()))
    return ("expanded, unclosed" if marked else "expanded"), expansion


def test_every_value_set_expands_or_says_why_not(terminology: Terminology) -> None:
    outcomes = {row["url"].rsplit("/", 1)[1]: _outcome(terminology, row["url"])[0] for row in VALUE_SETS}
    assert Counter(outcomes.values()) == OUTCOMES
    assert {name for name, outcome in outcomes.items() if outcome == "expanded, unclosed"} == UNCLOSED_SETS


def test_every_code_of_every_expansion_is_a_member_and_no_other_is(terminology: Terminology) -> None:
    asked = 0
    for row in VALUE_SETS:
        outcome, expansion = _outcome(terminology, row["url"])
        for member in expansion.get("contains", ()):
            asked += 1
            assert terminology.membership(row["url"], member["system"], member["code"]).member is Member.YES
        other = terminology.membership(row["url"], "urn:no-system", "no code").member
        assert other is (Member.UNKNOWN if outcome == "value-set-absent" else Member.NO)
    assert asked > 30_000


def test_no_code_is_outside_what_its_code_system_has(terminology: Terminology) -> None:
    for row in VALUE_SETS:
        for part in row["compose"]["include"]:
            for concept in part.get("concept", ()):
                assert terminology.in_code_system(part["system"], concept["code"]).member is not Member.NO


PUBLISHED = [row for row in VALUE_SETS if "expansion" in row]
NOT_COMPOSED = {"example-hierarchical": {"transient", "lock-error", "throttled", "security"}}
"""Codes that a published expansion has although its compose does not list them (it misspells two)."""


@pytest.mark.parametrize("value_set", PUBLISHED, ids=lambda row: row["id"])
def test_published_expansion_agrees(value_set: dict[str, Any], terminology: Terminology) -> None:
    rows = [row for row in walk_contains(value_set["expansion"]) if "code" in row]
    answers = {row["code"]: terminology.membership(value_set["url"], row["system"], row["code"]) for row in rows}
    refused = {code for code, answer in answers.items() if answer.member is not Member.YES}
    assert refused == NOT_COMPOSED.get(value_set["id"], set())
    assert len(rows) >= 3


def test_published_expansions_are_four() -> None:
    assert len(PUBLISHED) == 4


@pytest.mark.parametrize(
    ("value_set", "system", "code", "expected"),
    [
        ("hl7.org/fhir/ValueSet/administrative-gender", "http://hl7.org/fhir/administrative-gender", "male", "yes"),
        ("hl7.org/fhir/ValueSet/administrative-gender", "http://hl7.org/fhir/administrative-gender", "homme", "no"),
        ("terminology.hl7.org/ValueSet/v3-PurposeOfUse", f"{THO}/v3-ActReason", "ETREAT", "yes"),
        ("hl7.org/fhir/ValueSet/observation-codes", "http://loinc.org", "8302-2", "unknown"),
        ("hl7.org/fhir/ValueSet/condition-code", "http://snomed.info/sct", "38341003", "unknown"),
        ("hl7.org/fhir/ValueSet/ucum-bodyweight", "http://unitsofmeasure.org", "kg", "yes"),
        ("hl7.org/fhir/ValueSet/ucum-bodyweight", "http://unitsofmeasure.org", "mg", "no"),
        ("hl7.org/fhir/ValueSet/all-distance-units", "http://unitsofmeasure.org", "[mi_i]", "yes"),
        ("hl7.org/fhir/ValueSet/all-distance-units", "http://unitsofmeasure.org", "kg", "no"),
        ("hl7.org/fhir/ValueSet/iso3166-1-3", "urn:iso:std:iso:3166", "FRA", "yes"),
        ("hl7.org/fhir/ValueSet/iso3166-1-3", "urn:iso:std:iso:3166", "FR", "no"),
        ("hl7.org/fhir/ValueSet/timezones", "https://www.iana.org/time-zones", "Europe/Paris", "yes"),
        ("hl7.org/fhir/ValueSet/languages", "urn:ietf:bcp:47", "fr-fr", "yes"),
        ("hl7.org/fhir/ValueSet/currencies", "urn:iso:std:iso:4217", "EUR", "yes"),
    ],
)  # fmt: skip
def test_known_answers(value_set: str, system: str, code: str, expected: str, terminology: Terminology) -> None:
    assert terminology.membership(f"http://{value_set}", system, code).member.value == expected
