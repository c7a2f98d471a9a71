"""Installs packages, from a file or from a registry, and says of each that they depend on what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory

from fhir_dmp.packages.archive import read_archive
from fhir_dmp.packages.manifest import R4_CORE, Manifest, PackageId, PackageUnusable
from fhir_dmp.packages.package import Package
from fhir_dmp.packages.port import Addition, PackageStore
from fhir_dmp.packages.registry import PackageRegistry, Progress, RegistryUnusable, Release
from fhir_dmp.packages.version import is_match

_R4_VERSION = "4.0.1"
_MOST_PACKAGES = 100
"""How many packages one installation may bring."""


class State(Enum):
    """What became of a package."""

    ADDED = "added"
    PRESENT = "here already"
    REPLACED = "replaced another archive of this version"
    BUILT_IN = "built in"
    MISSING = "not installed"


@dataclass(frozen=True, slots=True)
class Step:
    """A package, what became of it, how many definitions it has (0 where none came), and why if there is a reason."""

    package: PackageId
    state: State
    count: int = 0
    reason: str = ""


def read_package(file: Path) -> Package:
    """Returns the package of an archive that says its name and is for R4; raises PackageUnusable."""
    package = read_archive(file)
    if package.manifest is None:
        raise PackageUnusable(f"{file} cannot be used as a FHIR package: no package/package.json names it")
    if not package.manifest.is_for_r4:
        versions = ", ".join(package.manifest.fhir_versions)
        raise PackageUnusable(f"{package.id} is for FHIR {versions}, and this is R4 ({_R4_VERSION})")
    return package


async def add(store: PackageStore, package: Package) -> AsyncIterator[Step]:
    """Keeps a package, and yields what became of it and which packages it depends on are not here."""
    yield await _keep(store, package)
    for wanted in missing_dependencies([package.manifest] if package.manifest else [], await _ids(store)):
        yield Step(wanted, State.MISSING)


async def install(
    store: PackageStore,
    registry: PackageRegistry,
    wanted: PackageId,
    *,
    with_dependencies: bool = True,
    progress: Progress = lambda _: None,
) -> AsyncIterator[Step]:
    """Fetches and keeps a package and those it depends on that are not here, and yields what became of each.

    Raises RegistryUnusable or PackageUnusable where it is the package itself that cannot be had.
    """
    manifest, step = await _fetch(store, registry, wanted, progress)
    yield step
    waiting, seen = [manifest], {wanted.name}
    while waiting:
        current = waiting.pop(0)
        for row in _dependencies(current):
            key = str(row)
            if key in seen or len(seen) > _MOST_PACKAGES:
                continue
            seen.add(key)
            if is_built_in(row):
                yield Step(row, State.BUILT_IN)
                continue
            found, step = await _fetch_dependency(store, registry, row, progress, may_fetch=with_dependencies)
            waiting += [found] if found else []
            if step.state is not State.PRESENT:
                yield step


def is_built_in(package: PackageId) -> bool:
    """Tells whether a package is R4's own."""
    return package.name == R4_CORE and is_match(package.version, _R4_VERSION)


def missing_dependencies(manifests: Sequence[Manifest], installed: Sequence[PackageId]) -> list[PackageId]:
    """Returns what some packages depend on and is neither installed nor built in."""
    wanted = dict.fromkeys(row for manifest in manifests for row in _dependencies(manifest))
    return [row for row in wanted if not is_built_in(row) and not any(_is_meant(row, there) for there in installed)]


def dependents(package: PackageId, manifests: Sequence[Manifest]) -> list[PackageId]:
    """Returns which of some packages depend on a package."""
    return [row.id for row in manifests if any(_is_meant(wanted, package) for wanted in _dependencies(row))]


def _dependencies(manifest: Manifest) -> list[PackageId]:
    return [PackageId(name, version) for name, version in manifest.dependencies.items()]


def _is_meant(wanted: PackageId, there: PackageId) -> bool:
    return wanted.name == there.name and is_match(wanted.version, there.version)


async def _ids(store: PackageStore) -> list[PackageId]:
    return [row.manifest.id for row in await store.installed()]


async def _fetch_dependency(
    store: PackageStore, registry: PackageRegistry, wanted: PackageId, progress: Progress, *, may_fetch: bool
) -> tuple[Manifest | None, Step]:
    """A dependency that cannot be had is told, and stops nothing."""
    there = next((row.manifest for row in await store.installed() if _is_meant(wanted, row.manifest.id)), None)
    if there is not None:
        return there, Step(there.id, State.PRESENT)
    if not may_fetch:
        return None, Step(wanted, State.MISSING)
    try:
        return await _fetch(store, registry, wanted, progress)
    except (RegistryUnusable, PackageUnusable) as fault:
        return None, Step(wanted, State.MISSING, reason=str(fault))


async def _fetch(
    store: PackageStore, registry: PackageRegistry, wanted: PackageId, progress: Progress
) -> tuple[Manifest, Step]:
    release = await asyncio.to_thread(registry.find, wanted)
    package = await asyncio.to_thread(_download, registry, release, progress)
    if package.manifest is None or package.id != release.id:
        raise RegistryUnusable(f"what {registry.base_url} has as {release.id} says that it is {package.id}")
    return package.manifest, await _keep(store, package)


def _download(registry: PackageRegistry, release: Release, progress: Progress) -> Package:
    with TemporaryDirectory(prefix="fhir-dmp-") as folder:
        file = Path(folder) / f"{release.id}.tgz"
        registry.download(release, file, progress)
        try:
            return read_package(file)
        except PackageUnusable as fault:
            # the file is gone when this is read
            raise PackageUnusable(str(fault).replace(str(file), str(release.id))) from None


async def _keep(store: PackageStore, package: Package) -> Step:
    addition = await store.add(package)
    states = {Addition.ADDED: State.ADDED, Addition.PRESENT: State.PRESENT, Addition.REPLACED: State.REPLACED}
    return Step(package.id, states[addition], len(package.definitions))
