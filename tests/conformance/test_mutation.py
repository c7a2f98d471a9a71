"""Each constraint of a profile in use is broken once, in a resource that is right otherwise, and is found."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fhir_dmp.conformance.validate import validate_resource
from tests.conformance.corpus import CORPUS, REASON, read_package
from tests.conformance.mutation import Mutation

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_dmp.conformance.profiles import Profiles
    from fhir_dmp.validation.compiler import Schemas

PATIENT: dict[str, Any] = json.loads((Path(__file__).parent / "patient-ins.json").read_text(encoding="utf-8"))
CANONICAL = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient-ins"

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason=REASON)


@pytest.fixture(scope="module")
def profiles(make_profiles: Callable[..., Profiles]) -> Profiles:
    packages = ("hl7.fhir.uv.extensions.r4-5.2.0", "hl7.fhir.fr.core-2.2.0")
    return make_profiles([row for name in packages for row in read_package(name)])


def test_the_patient_is_right(schemas: Schemas, profiles: Profiles) -> None:
    report = validate_resource(PATIENT, schemas, profiles)
    assert [issue.message for issue in report.issues if issue.severity == "error"] == []
    assert {item.reference for item in report.deferred} == {"Practitioner/1", "Organization/1"}


def test_each_constraint_that_is_broken_is_found_where_it_is(schemas: Schemas, profiles: Profiles) -> None:
    tree = profiles.tree(CANONICAL)
    assert tree is not None
    mutants = list(Mutation(PATIENT, profiles.tree).mutants(tree))
    missed = []
    for mutant in mutants:
        issues = validate_resource(mutant.resource, schemas, profiles).issues
        if not any(issue.code in mutant.codes and issue.expression == mutant.expression for issue in issues):
            missed.append((mutant.name, mutant.expression, [(issue.code, issue.expression) for issue in issues]))
    assert len(mutants) >= 50
    assert missed == []


def _not_official(patient: dict[str, Any]) -> None:
    patient["identifier"][0]["use"] = "old"


def _official_twice(patient: dict[str, Any]) -> None:
    patient["identifier"].append({"use": "official", "system": "urn:oid:1.2.250.1.999.2", "value": "1"})


def _born_unknown(patient: dict[str, Any]) -> None:
    patient["extension"][0]["valueAddress"]["extension"][0]["valueCoding"]["code"] = "99999"


@pytest.mark.parametrize(
    ("key", "change", "severity"),
    [
        ("fr-core-1", _not_official, "error"),
        ("fr-core-2", _official_twice, "error"),
        ("fr-core-3", _born_unknown, "warning"),
    ],
)
def test_each_invariant_that_is_broken_is_found(
    key: str, change: Callable[[dict[str, Any]], None], severity: str, schemas: Schemas, profiles: Profiles
) -> None:
    patient = copy.deepcopy(PATIENT)
    change(patient)
    issues = validate_resource(patient, schemas, profiles).issues
    assert [issue.severity for issue in issues if f"({key})" in issue.message] == [severity]
