"""Every rule and every discriminator on small profiles: a case is a resource and the findings that are expected.

A file of cases/ has `definitions` (differentials and value sets), the `profiles` that its resources have to meet, and
`cases`; a case may name other profiles, the look-ups that are asked for, and a message word for word.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fhir_dmp.conformance.validate import validate_resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhir_dmp.conformance.profiles import Profiles
    from fhir_dmp.validation.compiler import Schemas

FOLDER = Path(__file__).parent / "cases"
FILES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
CASES = [
    pytest.param(stem, case, id=f"{stem}: {case['name']}") for stem, file in FILES.items() for case in file["cases"]
]


@pytest.fixture(scope="module")
def profiles_of(make_profiles: Callable[..., Profiles]) -> Callable[[str], Profiles]:
    return cache(lambda stem: make_profiles(FILES[stem]["definitions"]))


@pytest.mark.parametrize(("stem", "case"), CASES)
def test_resource_has_the_findings_of_its_case(
    stem: str, case: dict[str, Any], schemas: Schemas, profiles_of: Callable[[str], Profiles]
) -> None:
    canonicals = case.get("profiles", FILES[stem]["profiles"])
    report = validate_resource(case["resource"], schemas, profiles_of(stem), canonicals)
    issues = [issue for issue in report.issues if "(dom-6)" not in issue.message]
    assert sorted([issue.severity, issue.code, issue.expression] for issue in issues) == sorted(case["expected"])
    if "message" in case:
        assert case["message"] in [issue.message for issue in issues]
    if "deferred" in case:
        assert [[item.reference, list(item.profiles)] for item in report.deferred] == case["deferred"]
