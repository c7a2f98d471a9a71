"""Published resources with known outcomes: agreement with the HL7 validator, and no false alarms.

The resources on which we differ are in disagreements.json, each with its reason.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fhir_dmp.conformance.validate import validate_resource
from fhir_dmp.json_text import parse_json_object
from fhir_dmp.outcome import FhirError, Issue
from tests.conformance.corpus import CORPUS, REASON, read_list, read_package

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_dmp.conformance.profiles import Profiles
    from fhir_dmp.validation.compiler import Schemas

    Judge = Callable[[dict[str, Any]], tuple[Issue, ...]]

DISAGREEMENTS: dict[str, dict[str, str]] = json.loads(
    (Path(__file__).parent / "disagreements.json").read_text(encoding="utf-8")
)
"""By name of the case, or file of the example: the recorded outcome, and why we say something else."""

SPEC = read_list("spec-examples.json")
FRENCH = read_list("french-examples.json")
CASES = [row for row in read_list("validator-cases.json") if row["expected"]]
IPS = "hl7.fhir.uv.ips-1.1.0"
EXTENSIONS = "hl7.fhir.uv.extensions.r4-5.2.0"
FR_CORE = {"hl7.fhir.fr.core#2.1.0": "hl7.fhir.fr.core-2.1.0", "hl7.fhir.fr.core#2.2.0": "hl7.fhir.fr.core-2.2.0"}

pytestmark = pytest.mark.skipif(not SPEC, reason=REASON)


@pytest.fixture(scope="module")
def judge(schemas: Schemas, make_profiles: Callable[..., Profiles]) -> Judge:
    """Validates the resource of a row, with the packages and the supporting definitions that the row names."""

    @cache
    def profiles(packages: tuple[str, ...], supporting: tuple[str, ...]) -> Profiles:
        rows = [row for name in packages for row in read_package(name)]
        return make_profiles(rows + [row for name in supporting for row in read_definitions(name)])

    def judged(row: dict[str, Any]) -> tuple[Issue, ...]:
        try:
            resource = parse_json_object((CORPUS / row["file"]).read_bytes())
        except FhirError as fault:
            return fault.issues
        known = profiles(packages_of(row), tuple(row.get("supporting", ())))
        return validate_resource(resource, schemas, known).issues

    return judged


def packages_of(row: dict[str, Any]) -> tuple[str, ...]:
    named = row.get("packages", ())
    fr_core = [package for name, package in FR_CORE.items() if name in named]
    return tuple([IPS] if "hl7.fhir.uv.ips#1.1.0" in named else [EXTENSIONS, *fr_core] if fr_core else [])


def read_definitions(name: str) -> list[dict[str, Any]]:
    resource = json.loads((CORPUS / "fhir-test-cases" / name).read_bytes())
    rows = [entry["resource"] for entry in resource.get("entry", ())] or [resource]
    return [row for row in rows if "url" in row]


def errors(issues: tuple[Issue, ...]) -> list[Issue]:
    return [issue for issue in issues if issue.severity in {"error", "fatal"}]


def is_at_hand(row: dict[str, Any]) -> bool:
    """Tells whether all that a case needs is here: R4 alone, or IPS."""
    return bool(row["core_only"] or row["packages"] == ["hl7.fhir.uv.ips#1.1.0"])


def is_complete(row: dict[str, Any]) -> bool:
    """Tells whether the supporting definitions of a case are here, in JSON, and no package is missing."""
    files = [CORPUS / "fhir-test-cases" / name for name in row["supporting"]]
    return not row["packages"] and all(file.suffix == ".json" and file.is_file() for file in files)


@pytest.mark.parametrize("row", SPEC, ids=[row["file"] for row in SPEC])
def test_example_of_the_specification_has_no_error(row: dict[str, Any], judge: Judge) -> None:
    assert bool(errors(judge(row))) == (row["file"] in DISAGREEMENTS)


@pytest.mark.parametrize("row", FRENCH, ids=[row["file"] for row in FRENCH])
def test_french_example_has_no_error_but_its_documented_defect(row: dict[str, Any], judge: Judge) -> None:
    assert bool(errors(judge(row))) == (row["file"] in DISAGREEMENTS)


AT_HAND = [row for row in CASES if is_at_hand(row)]


@pytest.mark.parametrize("row", AT_HAND, ids=[row["name"] for row in AT_HAND])
def test_case_has_the_outcome_of_the_hl7_validator(row: dict[str, Any], judge: Judge) -> None:
    agrees = bool(errors(judge(row))) == (row["expected"] == "error")
    assert agrees != (row["name"] in DISAGREEMENTS)


def test_disagreements_name_the_recorded_outcomes() -> None:
    recorded = {row.get("name", row["file"]): row["expected"] for row in (*SPEC, *FRENCH, *CASES)}
    assert {name: row["recorded"] for name, row in DISAGREEMENTS.items()} == {
        name: recorded[name] for name in DISAGREEMENTS
    }


def test_agreement_is_at_least_95_percent() -> None:
    different = [row for row in AT_HAND if row["name"] in DISAGREEMENTS]
    assert len(different) / len(AT_HAND) <= 0.05
    assert all(row["expected"] == "error" for row in different)


RIGHT = [row for row in CASES if row["expected"] == "no-error" and not is_at_hand(row) and is_complete(row)]


@pytest.mark.parametrize("row", RIGHT, ids=[row["name"] for row in RIGHT])
def test_right_case_with_definitions_of_its_own_has_no_error(row: dict[str, Any], judge: Judge) -> None:
    assert bool(errors(judge(row))) == (row["name"] in DISAGREEMENTS)
