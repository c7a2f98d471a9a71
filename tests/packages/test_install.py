"""Packages in the database: whole or not at all, side by side, with what they depend on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from fhir_dmp.packages.archive import read_archive
from fhir_dmp.packages.install import State, Step, add, dependents, install, missing_dependencies, read_package
from fhir_dmp.packages.manifest import PackageId, PackageUnusable
from fhir_dmp.packages.port import Addition
from fhir_dmp.packages.registry import PackageRegistry, RegistryUnusable
from fhir_dmp.store.mongo import packages as adapter
from fhir_dmp.store.mongo.packages import PACKAGE, PART, MongoPackages
from tests.packages.archives import build_manifest, build_profile, pack
from tests.packages.conftest import StandIn

Json = Any


def _package(folder: Path, name: str, version: str = "1.0.0", *definitions: Json, **dependencies: str) -> Path:
    rows = definitions or (build_profile(version),)
    return pack(folder / f"{name}-{version}.tgz", build_manifest(name, version, **dependencies), *rows)


async def _installed(store: MongoPackages) -> dict[str, int]:
    return {str(row.manifest.id): row.count for row in await store.installed()}


async def _install(store: MongoPackages, registry: StandIn, text: str, *, deep: bool = True) -> list[tuple[str, State]]:
    name, _, version = text.partition("@")
    with PackageRegistry(registry.url) as known:
        steps = install(store, known, PackageId(name, version), with_dependencies=deep)
        return [(str(step.package), step.state) async for step in steps]


async def test_a_package_is_kept_and_read_back_as_it_was(store: MongoPackages, tmp_path: Path) -> None:
    package = read_archive(
        _package(tmp_path, "a", "1.0.0", build_profile(), build_profile(url="https://example.org/b"))
    )
    assert await store.add(package) is Addition.ADDED
    (found,) = (await store.read_packages({})).values()
    assert (found.label, found.manifest, found.definitions) == ("a@1.0.0", package.manifest, package.definitions)


async def test_adding_is_idempotent_and_another_archive_replaces(store: MongoPackages, tmp_path: Path) -> None:
    file = _package(tmp_path, "a")
    assert [await store.add(read_archive(file)) for _ in range(2)] == [Addition.ADDED, Addition.PRESENT]
    before = await store.read_packages({})
    assert await store.read_packages(before) == before
    _package(tmp_path, "a", "1.0.0", build_profile(least=2))
    assert await store.add(read_archive(file)) is Addition.REPLACED
    after = await store.read_packages(before)
    assert before.keys().isdisjoint(after)
    assert await _installed(store) == {"a@1.0.0": 1}


async def test_what_is_known_is_not_read_again(store: MongoPackages, tmp_path: Path) -> None:
    await store.add(read_archive(_package(tmp_path, "a")))
    before = await store.read_packages({})
    await store.add(read_archive(_package(tmp_path, "b")))
    after = await store.read_packages(before)
    assert [after[key] is row for key, row in before.items()] == [True]
    assert len(after) == 2


async def test_several_that_add_one_package_at_once_leave_one(
    store: MongoPackages, tmp_path: Path, mongodb_client: MongoClient[Json], database_name: str
) -> None:
    package = read_archive(_package(tmp_path, "a"))
    done = await asyncio.gather(*(store.add(package) for _ in range(6)))
    assert sorted(row.value for row in done) == ["added"] + ["present"] * 5
    assert mongodb_client[database_name][PACKAGE].count_documents({}) == 1
    assert mongodb_client[database_name][PART].count_documents({}) == 1


async def test_a_large_package_is_kept_in_parts(
    store: MongoPackages,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mongodb_client: MongoClient[Json],
    database_name: str,
) -> None:
    rows = [build_profile(url=f"https://example.org/{number}") for number in range(20)]
    package = read_archive(_package(tmp_path, "a", "1.0.0", *rows))
    monkeypatch.setattr(adapter, "PART_BYTES", 1500)
    await store.add(package)
    assert mongodb_client[database_name][PART].count_documents({}) > 3
    (found,) = (await store.read_packages({})).values()
    assert found.definitions == package.definitions
    assert await store.remove(package.id)
    assert mongodb_client[database_name][PART].count_documents({}) == 0


async def test_a_package_that_cannot_be_kept_leaves_nothing(
    store: MongoPackages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "MOST_BYTES", 10)
    with pytest.raises(PackageUnusable, match=r"package/0\.json is larger than 10 bytes"):
        await store.add(read_archive(_package(tmp_path, "a")))
    assert await _installed(store) == {}


async def test_versions_are_listed_in_their_order_and_removed_one_by_one(store: MongoPackages, tmp_path: Path) -> None:
    for version in ("1.10.0", "1.9.0"):
        await store.add(read_archive(_package(tmp_path, "a", version)))
    assert list(await _installed(store)) == ["a@1.9.0", "a@1.10.0"]
    assert await store.remove(PackageId("a", "1.9.0"))
    assert not await store.remove(PackageId("a", "1.9.0"))
    assert list(await _installed(store)) == ["a@1.10.0"]


async def test_adding_tells_what_is_missing_and_not_what_is_built_in(store: MongoPackages, tmp_path: Path) -> None:
    await store.add(read_archive(_package(tmp_path, "b", "1.2.0")))
    wanted = {"hl7__fhir__r4__core": "4.0.1", "b": "1.2.x", "c": "1.0.0"}
    package = read_package(_package(tmp_path, "a", "1.0.0", **wanted))
    steps = [step async for step in add(store, package)]
    assert steps == [
        Step(package.id, State.ADDED, 1),
        Step(PackageId("c", "1.0.0"), State.MISSING),
    ]


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        (None, r"no package/package\.json names it"),
        ({"name": "a", "version": "1", "fhirVersions": ["5.0.0"]}, r"a@1 is for FHIR 5\.0\.0, and this is R4"),
    ],
)
def test_what_is_no_package_for_r4_is_refused(tmp_path: Path, manifest: Json, reason: str) -> None:
    with pytest.raises(PackageUnusable, match=reason):
        read_package(pack(tmp_path / "p.tgz", manifest, build_profile()))


async def test_dependencies_are_fetched_once_and_what_cannot_be_had_stops_nothing(
    store: MongoPackages, registry: StandIn, tmp_path: Path
) -> None:
    tree = {
        "a": {"b": "1.0.x", "c": "1.0.0", "hl7__fhir__r4__core": "4.0.1"},
        "b": {"c": "1.0.0", "a": "1.0.0", "absent": "3.0.0"},
        "c": {"foreign": "1.0.0", "broken": "1.0.0"},
    }
    for name, wanted in tree.items():
        registry.offer(_package(tmp_path, name, "1.0.0", **wanted), build_manifest(name))
    foreign = {**build_manifest("foreign"), "fhirVersions": ["5.0.0"]}
    registry.offer(pack(tmp_path / "f.tgz", foreign, build_profile()), foreign)
    registry.offer(_package(tmp_path, "broken"), build_manifest("broken"), shasum="0" * 40)
    assert await _install(store, registry, "a@latest") == [
        ("a@1.0.0", State.ADDED),
        ("b@1.0.0", State.ADDED),
        ("c@1.0.0", State.ADDED),
        ("hl7.fhir.r4.core@4.0.1", State.BUILT_IN),
        ("absent@3.0.0", State.MISSING),
        ("foreign@1.0.0", State.MISSING),
        ("broken@1.0.0", State.MISSING),
    ]
    assert list(await _installed(store)) == ["a@1.0.0", "b@1.0.0", "c@1.0.0"]
    assert registry.asked.count("/c/1.0.0") == 1


async def test_without_dependencies_only_the_package_is_fetched(
    store: MongoPackages, registry: StandIn, tmp_path: Path
) -> None:
    registry.offer(_package(tmp_path, "a", "1.0.0", b="1.0.0"), build_manifest("a"))
    registry.offer(_package(tmp_path, "b"), build_manifest("b"))
    steps = await _install(store, registry, "a@1.0.0", deep=False)
    assert steps == [("a@1.0.0", State.ADDED), ("b@1.0.0", State.MISSING)]
    assert "/b" not in registry.asked


async def test_an_archive_that_is_another_package_is_not_taken(
    store: MongoPackages, registry: StandIn, tmp_path: Path
) -> None:
    registry.offer(_package(tmp_path, "evil"), build_manifest("a"))
    with pytest.raises(RegistryUnusable, match=r"has as a@1\.0\.0 says that it is evil@1\.0\.0"):
        await _install(store, registry, "a@1.0.0")
    assert await _installed(store) == {}


def test_dependents_are_those_whose_dependency_is_meant(tmp_path: Path) -> None:
    files = [_package(tmp_path, "a", b="1.0.x"), _package(tmp_path, "c", b="2.0.0"), _package(tmp_path, "b")]
    manifests = [row for file in files if (row := read_archive(file).manifest)]
    assert dependents(PackageId("b", "1.0.3"), manifests) == [PackageId("a", "1.0.0")]
    assert missing_dependencies(manifests, [row.id for row in manifests]) == [PackageId("b", "2.0.0")]
