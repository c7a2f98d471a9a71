"""The demonstration records keep what our profiles ask: constraints, required and forbidden elements."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import orjson
import pytest

from fhir_dmp.json_text import Json, JsonObject
from tests.profiles.asked import broken_expressions, evaluate
from tests.profiles.shipped import SHARED, shipped, walk

EXAMPLES = Path(__file__).parents[2] / "examples"
PROFILES = {definition["id"]: definition for definition in shipped("StructureDefinition", "dmp")}
BY_TYPE = {
    "Patient": ["dmp-patient"],
    "AllergyIntolerance": ["dmp-allergy-intolerance"],
    "MedicationStatement": ["dmp-medication-statement"],
    "DiagnosticReport": ["dmp-diagnostic-report"],
    "Condition": ["dmp-condition"],
}


@cache
def _resources() -> list[JsonObject]:
    files = sorted(EXAMPLES.glob("*.json"))
    return [entry["resource"] for path in files for entry in orjson.loads(path.read_bytes())["entry"]]


def _profiles_of(resource: JsonObject) -> list[str]:
    if resource["resourceType"] == "Observation":
        codes = {coding.get("code") for row in resource.get("category", ()) for coding in row.get("coding", ())}
        return ["dmp-observation-laboratory"] if "laboratory" in codes else []
    if resource["resourceType"] == "Consent":
        return sorted({"dmp-consent", *(profile.rsplit("/", 1)[-1] for profile in resource["meta"]["profile"])})
    return BY_TYPE.get(resource["resourceType"], [])


CHECKED = [(profile, resource) for resource in _resources() for profile in _profiles_of(resource)]


def test_examples_meet_each_profile_that_has_examples() -> None:
    without = {"dmp-identifier", "dmp-practitioner", "dmp-organization", "dmp-audit-event", "dmp-audit-event-export"}
    without |= {name for name, definition in PROFILES.items() if definition["type"] == "Extension"}
    assert {profile for profile, _ in CHECKED} == PROFILES.keys() - without


@pytest.mark.parametrize("profile", sorted({profile for profile, _ in CHECKED}))
def test_example_keeps_its_profile(profile: str) -> None:
    examples = [resource for name, resource in CHECKED if name == profile]
    found = [(resource["identifier"], broken_expressions(PROFILES[profile], resource)) for resource in examples]
    assert [row for row in found if row[1]] == []


def _identifier_findings(resource: JsonObject, severity: str) -> list[tuple[str, Json]]:
    (row,) = PROFILES["dmp-identifier"]["differential"]["element"]
    asked = [constraint for constraint in row["constraint"] if constraint["severity"] == severity]
    identifiers = [item for item in walk(resource) if isinstance(item.get("system"), str) and "value" in item]
    return [
        (constraint["key"], item)
        for constraint in asked
        for item in identifiers
        if _is_broken(constraint["expression"], {"system": item["system"], "value": str(item["value"])})
    ]


def _is_broken(expression: str, identifier: JsonObject) -> bool:
    return evaluate(expression, "Identifier", identifier) != [True]


def test_identifiers_of_the_examples_are_well_formed() -> None:
    assert [found for resource in _resources() for found in _identifier_findings(resource, "error")] == []


def test_matricules_of_the_examples_have_their_key() -> None:
    found = [row for resource in _resources() for row in _identifier_findings(resource, "warning")]
    assert [row for row in found if row[0].startswith("dmp-ins")] == []


def test_official_examples_break_only_warnings() -> None:
    listing = SHARED / "corpus" / "french-examples.json"
    if not listing.is_file():
        pytest.skip(f"{listing} is not there")
    files = [
        listing.parent / row["file"] for row in orjson.loads(listing.read_bytes()) if row["expected"] == "no-error"
    ]
    resources = [orjson.loads(path.read_bytes()) for path in files]
    assert [found for resource in resources for found in _identifier_findings(resource, "error")] == []
    assert {key for resource in resources for key, _ in _identifier_findings(resource, "warning")} >= {"dmp-ins-3"}
