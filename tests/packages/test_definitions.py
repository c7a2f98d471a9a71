"""Which definition a canonical means: by place, by version, and by the package that says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fhir_dmp.conformance.validate import validate_resource
from fhir_dmp.loader import load_registry
from fhir_dmp.packages.archive import read_archive
from fhir_dmp.packages.definitions import Definitions
from fhir_dmp.packages.package import Definition, pack_definition
from fhir_dmp.validation.compiler import Schemas
from tests.packages.archives import BASE, URL, build_manifest, build_profile, pack, published

Json = Any

SCHEMAS = Schemas(load_registry())
FR_PATIENT = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient"
PDSM_DOCUMENT = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-comprehensive-document-reference"
DMP_CONDITION = "https://fhir-dmp.fr/StructureDefinition/dmp-condition"
REFERRER = "https://example.org/StructureDefinition/referrer"


def _known(*files: Path, stored: tuple[Definition, ...] = ()) -> Definitions:
    return Definitions([read_archive(file) for file in files], SCHEMAS, stored)


def _version(definitions: Definitions, canonical: str) -> str | None:
    found = definitions.find(canonical)
    return str(found["version"]) if found else None


def _names(count: int) -> Json:
    return {"resourceType": "Patient", "name": [{"family": "A"}] * count}


def _is_valid(definitions: Definitions, resource: Json, canonical: str) -> bool:
    rules = definitions.build_rules()
    assert rules.profiles.profile(canonical) is not None
    return validate_resource(resource, rules.schemas, rules.profiles, [canonical]).is_valid


@pytest.fixture
def versions(tmp_path: Path) -> list[Path]:
    """A package in four versions, of which text order would take the wrong one for the newest."""
    rows = {"2.9.0": 1, "2.10.0": 2, "2.10.1-ballot": 3, "1.0.0": 4}
    return [
        pack(tmp_path / f"{version}.tgz", build_manifest(version=version), build_profile(version, least=least))
        for version, least in rows.items()
    ]


@pytest.mark.parametrize(
    ("canonical", "expected"),
    [
        (URL, "2.10.1-ballot"),
        (f"{URL}|2.9.0", "2.9.0"),
        (f"{URL}|2.10.0", "2.10.0"),
        (f"{URL}|2.9", "2.9.0"),
        (f"{URL}|3.0.0", None),
        ("https://example.org/absent", None),
    ],
)
def test_a_canonical_means_its_version_or_the_newest(
    versions: list[Path], canonical: str, expected: str | None
) -> None:
    assert _version(_known(*versions), canonical) == expected


@pytest.mark.parametrize(("version", "least"), [("2.9.0", 1), ("2.10.0", 2), ("1.0.0", 4)])
def test_versions_side_by_side_each_ask_what_they_say(versions: list[Path], version: str, least: int) -> None:
    known = _known(*versions)
    assert _is_valid(known, _names(least), f"{URL}|{version}")
    assert not _is_valid(known, _names(least - 1), f"{URL}|{version}")


def test_without_version_a_package_means_what_it_depends_on(versions: list[Path], tmp_path: Path) -> None:
    profile = build_profile(
        url=REFERRER, baseDefinition=URL, differential={"element": [{"id": "Patient", "path": "Patient"}]}
    )
    manifest = build_manifest("example.referrer", example__named="2.9.0")
    known = _known(*versions, pack(tmp_path / "referrer.tgz", manifest, profile))
    assert known.find(REFERRER)["baseDefinition"] == f"{URL}|2.9.0"  # type: ignore[index]  # None fails, too
    assert _is_valid(known, _names(1), REFERRER)


def test_without_its_dependency_a_package_means_the_newest(versions: list[Path], tmp_path: Path) -> None:
    profile = build_profile(
        url=REFERRER, baseDefinition=URL, differential={"element": [{"id": "Patient", "path": "Patient"}]}
    )
    manifest = build_manifest("example.referrer", example__named="7.0.0")
    known = _known(*versions, pack(tmp_path / "referrer.tgz", manifest, profile))
    assert not _is_valid(known, _names(2), REFERRER)
    assert _is_valid(known, _names(3), REFERRER)


def test_a_dependency_of_a_dependency_counts(versions: list[Path], tmp_path: Path) -> None:
    profile = build_profile(
        url=REFERRER, baseDefinition=URL, differential={"element": [{"id": "Patient", "path": "Patient"}]}
    )
    between = pack(
        tmp_path / "b.tgz",
        build_manifest("example.between", example__named="2.10.x"),
        build_profile(url="https://example.org/b"),
    )
    last = pack(tmp_path / "l.tgz", build_manifest("example.last", example__between="1.0.0"), profile)
    assert _is_valid(_known(*versions, between, last), _names(2), REFERRER)


def test_a_stored_definition_wins_over_a_package_also_within_the_package(versions: list[Path], tmp_path: Path) -> None:
    profile = build_profile(
        url=REFERRER, baseDefinition=URL, differential={"element": [{"id": "Patient", "path": "Patient"}]}
    )
    referrer = pack(tmp_path / "r.tgz", build_manifest("example.referrer", example__named="2.9.0"), profile)
    stored = pack_definition(build_profile("0.1.0", least=5), "StructureDefinition/1")
    known = _known(*versions, referrer, stored=(stored,))
    assert _version(known, URL) == "0.1.0"
    assert _version(known, f"{URL}|2.9.0") == "2.9.0"
    assert not _is_valid(known, _names(4), REFERRER)
    assert _is_valid(known, _names(5), REFERRER)


def test_of_stored_definitions_with_one_canonical_the_last_written_counts() -> None:
    newer, older = (pack_definition(build_profile(least=least), f"StructureDefinition/{least}") for least in (3, 1))
    known = _known(stored=(newer, older))
    assert not _is_valid(known, _names(2), URL)


def test_value_sets_mean_the_code_systems_of_their_package(tmp_path: Path) -> None:
    system, files = "https://example.org/codes", []
    for version, code in (("1.0.0", "old"), ("2.0.0", "new")):
        concepts = [{"code": code}]
        rows: list[Json] = [
            {"resourceType": "CodeSystem", "url": system, "content": "complete", "concept": concepts},
            {"resourceType": "ValueSet", "url": f"{system}/all", "compose": {"include": [{"system": system}]}},
        ]
        rows = [{**row, "version": version, "status": "active"} for row in rows]
        files.append(pack(tmp_path / f"{version}.tgz", build_manifest(version=version), *rows))
    terminology = _known(*files).build_rules().terminology
    for version, code, other in (("|1.0.0", "old", "new"), ("|2.0.0", "new", "old"), ("", "new", "old")):
        assert terminology.membership(f"{system}/all{version}", system, code).member.name == "YES"
        assert terminology.membership(f"{system}/all{version}", system, other).member.name == "NO"


def test_a_decimal_in_a_definition_is_a_decimal() -> None:
    profile = build_profile(
        differential={
            "element": [
                {"id": "Observation.value[x]", "path": "Observation.value[x]", "maxValueQuantity": {"value": 8.4}}
            ]
        },
        type="Observation",
        baseDefinition=f"{BASE}Observation",
    )
    known = _known(stored=(pack_definition(profile, "StructureDefinition/1"),))
    assert known.find(URL) is not None
    assert known.faults == {}


def test_an_official_package_replaces_what_we_ship() -> None:
    assert "snapshot" not in (_known().find(FR_PATIENT) or {})
    official = _known(published("hl7.fhir.fr.core-2.2.0"))
    assert "snapshot" in (official.find(FR_PATIENT) or {})
    assert "snapshot" in (official.find(f"{FR_PATIENT}|2.2.0") or {})


def test_pdsm_sees_fr_core_2_1_beside_2_2() -> None:
    names = ("hl7.fhir.fr.core-2.1.0", "hl7.fhir.fr.core-2.2.0", "ans.fhir.fr.pdsm-3.1.1")
    known = _known(*map(published, names))
    assert _version(known, FR_PATIENT) == "2.2.0"
    canonicals = set(_canonicals(known.find(PDSM_DOCUMENT)))
    assert f"{FR_PATIENT}|2.1.0" in canonicals
    assert not {row for row in canonicals if "hl7.fr" in row and not row.endswith("|2.1.0")}


def test_what_we_ship_means_the_version_that_we_ship() -> None:
    """Installed for PDSm, FR Core 2.1.0 is what a canonical without version means; our own profiles stay with 2.2.0."""
    known = _known(published("hl7.fhir.fr.core-2.1.0"))
    assert _version(known, FR_PATIENT) == "2.1.0"
    used = {row for row in _canonicals(known.find(DMP_CONDITION)) if row.partition("|")[0] == FR_PATIENT}
    assert used <= {f"{FR_PATIENT}|2.2.0"}
    assert _version(known, f"{FR_PATIENT}|2.2.0") == "2.2.0"


DEATH_PLACE = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient-death-place"
ADDRESS, STRING = {"valueAddress": {"city": "Lyon"}}, {"valueString": "Lyon"}


@pytest.mark.parametrize("names", [("hl7.fhir.fr.core-2.1.0", "hl7.fhir.fr.core-2.2.0"), ("hl7.fhir.fr.core-2.1.0",)])
@pytest.mark.parametrize(
    ("version", "place", "expected"),
    [("2.1.0", STRING, True), ("2.1.0", ADDRESS, False), ("2.2.0", ADDRESS, True), ("2.2.0", STRING, False)],
)
def test_extension_is_what_the_profile_of_its_version_says(
    names: tuple[str, ...], version: str, place: Json, expected: bool
) -> None:
    """Where a death place was a string until FR Core 2.1.0, and is an Address since."""
    patient = {"resourceType": "Patient", "extension": [{"url": DEATH_PLACE, **place}]}
    assert _is_valid(_known(*map(published, names)), patient, f"{FR_PATIENT}|{version}") is expected


def test_extension_that_an_administrator_stored_counts_alone() -> None:
    newer = _known(published("hl7.fhir.fr.core-2.2.0")).find(DEATH_PLACE) or {}
    stored = pack_definition(newer, "StructureDefinition/death-place")
    known = _known(published("hl7.fhir.fr.core-2.1.0"), stored=(stored,))
    patient = {"resourceType": "Patient", "extension": [{"url": DEATH_PLACE, **STRING}]}
    assert not _is_valid(known, patient, f"{FR_PATIENT}|2.1.0")


def test_published_packages_compile_side_by_side() -> None:
    names = ("hl7.fhir.fr.core-2.1.0", "hl7.fhir.fr.core-2.2.0", "ans.fhir.fr.pdsm-3.1.1", "hl7.fhir.uv.ips-1.1.0")
    packages = [read_archive(published(name)) for name in names]
    known = Definitions(packages, SCHEMAS)
    profiles = known.build_rules().profiles
    rows = [row for package in packages for row in package.definitions if "/StructureDefinition/" in row.url]
    assert len(rows) > 150
    found = {f"{row.url}|{row.version}": profiles.profile(f"{row.url}|{row.version}") for row in rows}
    assert [name for name, profile in found.items() if profile is None or profile.fault] == []
    assert known.faults == {}


def _canonicals(value: Json) -> list[str]:
    """The canonicals of profiles and value sets within a definition."""
    if isinstance(value, list):
        return [row for item in value for row in _canonicals(item)]
    if not isinstance(value, dict):
        return []
    own = [value[name] for name in ("valueSet", "profile", "targetProfile", "baseDefinition") if name in value]
    flat = [row for item in own for row in (item if isinstance(item, list) else [item]) if isinstance(row, str)]
    return flat + [row for item in value.values() for row in _canonicals(item)]
