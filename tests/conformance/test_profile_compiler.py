"""What profiles compile to, as golden files: only what differs from the base, down to the paths that have a rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_dmp.conformance.profiles import Profiles

FOLDER = Path(__file__).parent
GOLDEN = sorted((FOLDER / "golden").glob("*.json"))
PROFILE = "http://example.org/StructureDefinition/p"


@pytest.mark.parametrize("file", GOLDEN, ids=[file.stem for file in GOLDEN])
def test_profile_compiles_to_its_golden_file(file: Path, make_profiles: Callable[..., Profiles]) -> None:
    definitions = json.loads((FOLDER / "cases" / file.name).read_text(encoding="utf-8"))["definitions"]
    profile = make_profiles(definitions).profile(PROFILE)
    assert profile is not None
    assert profile.rule is not None
    assert profile.rule.as_json() == json.loads(file.read_text(encoding="utf-8"))


def test_profile_that_changes_nothing_has_no_rule(make_profiles: Callable[..., Profiles]) -> None:
    base = "http://hl7.org/fhir/StructureDefinition/Patient"
    same = {
        "resourceType": "StructureDefinition",
        "url": PROFILE,
        "type": "Patient",
        "kind": "resource",
        "derivation": "constraint",
        "baseDefinition": base,
        "differential": {"element": [{"id": "Patient.name", "path": "Patient.name", "mustSupport": True}]},
    }
    profile = make_profiles([same]).profile(PROFILE)
    assert profile is not None
    assert profile.rule is None
