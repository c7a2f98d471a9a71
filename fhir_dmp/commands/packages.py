"""`fhir-dmp packages`: the FHIR packages that the servers of a database know, https://hl7.org/fhir/packages.html."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.commands.preflight import check_settings
from fhir_dmp.commands.reach import reach_database
from fhir_dmp.packages.install import State, Step, add, dependents, install, missing_dependencies, read_package
from fhir_dmp.packages.manifest import PackageId, PackageUnusable, parse_package_id
from fhir_dmp.packages.port import DefinitionsUnavailable, Installed, PackageStore
from fhir_dmp.packages.registry import PackageRegistry, RegistryUnusable
from fhir_dmp.settings import Settings
from fhir_dmp.store.mongo.packages import MongoPackages
from fhir_dmp.store.mongo.store import connect

Result = TypeVar("Result")


def list_packages() -> None:
    """Writes one line for each installed package, and one for each that such a one depends on and is missing."""
    installed = _run(check_settings(), lambda store: store.installed())
    if not installed:
        typer.echo("no packages are installed: R4 and the shipped French profiles are what is known")
    for row in installed:
        title = f"  {row.manifest.title}" if row.manifest.title else ""
        typer.echo(f"{row.manifest.id}  {_number(row.count)}{title}")
        for wanted in missing_dependencies([row.manifest], _ids(installed)):
            typer.echo(f"  depends on {wanted}, which is not installed")


def add_file(file: Path) -> None:
    """Installs the package of an archive. Raises CommandError: refused where it is no package for R4."""
    settings = check_settings()
    try:
        package = read_package(file)
        _run(settings, lambda store: _tell_steps(add(store, package)))
    except PackageUnusable as fault:
        raise CommandError(Exit.REFUSED, str(fault)) from None


def install_from_registry(text: str, *, with_dependencies: bool) -> None:
    """Fetches a package and what it depends on. Raises CommandError where the package itself cannot be had."""
    settings, wanted = check_settings(), _parse(text)

    async def work(store: PackageStore) -> None:
        with PackageRegistry(settings.package_registry) as registry, _show_download() as progress:
            steps = install(store, registry, wanted, with_dependencies=with_dependencies, progress=progress)
            await _tell_steps(steps)

    try:
        _run(settings, work)
    except PackageUnusable as fault:
        raise CommandError(Exit.REFUSED, str(fault)) from None
    except RegistryUnusable as fault:
        raise CommandError(Exit.ENVIRONMENT, str(fault)) from None


def remove_package(text: str) -> None:
    """Removes a package, and tells which ones depend on it. Raises CommandError where it is not installed."""
    settings, package = check_settings(), _parse(text)

    async def work(store: PackageStore) -> tuple[bool, Sequence[Installed]]:
        return await store.remove(package), await store.installed()

    is_removed, left = _run(settings, work)
    if not is_removed:
        raise CommandError(Exit.ENVIRONMENT, f"{package} is not installed")
    typer.echo(f"{package}  removed")
    for row in dependents(package, [row.manifest for row in left]):
        typer.echo(f"  {row} depends on it")


def _run(settings: Settings, work: Callable[[PackageStore], Awaitable[Result]]) -> Result:
    async def run(uri: str) -> Result:
        client = connect(uri)
        try:
            return await work(MongoPackages(client, settings.database))
        finally:
            await client.close()

    try:
        with reach_database(settings) as uri:
            return asyncio.run(run(uri))
    except DefinitionsUnavailable as fault:
        raise CommandError(Exit.ENVIRONMENT, str(fault)) from None


async def _tell_steps(steps: AsyncIterator[Step]) -> None:
    async for step in steps:
        count = f"  {_number(step.count)}" if step.count else ""
        reason = f": {step.reason}" if step.reason else ""
        indent = "  depends on " if step.state in {State.MISSING, State.BUILT_IN} else ""
        typer.echo(f"{indent}{step.package}  {step.state.value}{count}{reason}")


def _parse(text: str) -> PackageId:
    found = parse_package_id(text)
    if found is None:
        raise CommandError(Exit.USAGE, f"a package is named NAME@VERSION (hl7.fhir.fr.core@2.2.0), not {text!r}")
    return found


def _ids(installed: Sequence[Installed]) -> list[PackageId]:
    return [row.manifest.id for row in installed]


def _number(count: int) -> str:
    return f"{count:,} definition{'' if count == 1 else 's'}"


@contextmanager
def _show_download() -> Iterator[Callable[[int], None]]:
    """Shows the bytes that have come, on stderr where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    columns = (TextColumn("downloading"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=None)
        yield lambda size: shown.advance(task, size)
