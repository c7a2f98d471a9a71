"""Names of packages, and what package.json says."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_dmp.packages.manifest import PackageId, parse_manifest, parse_package_id


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hl7.fhir.fr.core@2.2.0", PackageId("hl7.fhir.fr.core", "2.2.0")),
        ("hl7.fhir.fr.core#2.2.0", PackageId("hl7.fhir.fr.core", "2.2.0")),
        ("hl7.fhir.fr.core@latest", PackageId("hl7.fhir.fr.core", "latest")),
        ("a@1.0.0-ballot+x", PackageId("a", "1.0.0-ballot+x")),
        ("hl7.fhir.fr.core", None),
        ("hl7.fhir.fr.core@", None),
        ("@1.0.0", None),
        ("a@b@c", None),
        ("../a@1", None),
        ("a..b@1", None),
        ("a/b@1", None),
        ("a@1/../2", None),
        ("a@1 ", None),
        ("a" * 200 + "@1", None),
    ],
)
def test_a_package_is_named_by_name_and_version(text: str, expected: PackageId | None) -> None:
    assert parse_package_id(text) == expected


@pytest.mark.parametrize(
    "value", [None, [], {}, {"name": "a"}, {"name": "a", "version": 1.5e300}, {"name": "../a", "version": "1"}]
)
def test_what_names_no_package_is_no_manifest(value: Any) -> None:
    assert parse_manifest(value) is None


def test_dependencies_that_name_no_package_are_passed_by() -> None:
    wanted = {"b": "2.1.x", "c": "", "../d": "1", "e": "file:../e"}
    found = parse_manifest({"name": "a", "version": "1", "title": None, "dependencies": wanted, "fhirVersions": "4"})
    assert found is not None
    assert dict(found.dependencies) == {"b": "2.1.x", "c": "latest"}
    assert found.is_for_r4


@pytest.mark.parametrize(
    ("versions", "expected"), [(["4.0.1"], True), (["4.0.0", "5.0.0"], True), (["4.3.0"], False), ([], True)]
)
def test_a_package_says_whether_it_is_for_r4(versions: list[str], expected: bool) -> None:
    found = parse_manifest({"name": "a", "version": "1", "fhirVersions": versions})
    assert found is not None
    assert found.is_for_r4 is expected
