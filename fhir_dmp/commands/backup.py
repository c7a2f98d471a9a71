"""`fhir-dmp backup` and `fhir-dmp restore`: the database at one moment in a folder, and back into an empty database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import typer

from fhir_dmp import VERSION
from fhir_dmp.commands.archive import Archive, Manifest, Part, PartWriter, prepare_folder, write_manifest
from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.commands.preflight import check_settings
from fhir_dmp.commands.progress import Meter, show_progress
from fhir_dmp.commands.reach import reach_database
from fhir_dmp.instant import write_instant
from fhir_dmp.outcome import FhirError
from fhir_dmp.store.mongo.fault import database_errors
from fhir_dmp.store.mongo.snapshot import Client, EmptyDatabase, Kept, MomentLost, Snapshot, open_snapshot
from fhir_dmp.store.mongo.store import StoreUnusable, connect, require_whole

_MOST, _LARGEST = 1000, 8 * 1024 * 1024
"""Documents, and bytes of them, that are written at a time."""


def backup_database(folder: Path) -> None:
    """Writes the database of the settings into a folder; raises CommandError, and leaves then no manifest there."""
    prepare_folder(folder)

    async def work(client: Client, database: str) -> str:
        await require_whole(client[database])
        made = write_instant(time.time_ns() // 1_000_000)
        async with open_snapshot(client, database) as snapshot:
            kept = await snapshot.collections()
            with show_progress("backing up", await snapshot.size()) as meter:
                parts = tuple([await _keep(snapshot, row, folder, meter) for row in kept])
        if not any(part.documents for part in parts):
            raise CommandError(Exit.ENVIRONMENT, f"the database {database} holds nothing")
        write_manifest(folder, Manifest(made, database, VERSION, parts))
        return _summarise(parts, "are in", str(folder))

    typer.echo(_run(work))


def restore_database(folder: Path) -> None:
    """Writes a backup into the database of the settings; raises CommandError, and then nothing is in it."""
    archive = Archive.open(folder)

    async def work(client: Client, database: str) -> str:
        empty = EmptyDatabase(client, database)
        await empty.clear_unfinished()
        if not await empty.is_empty():
            raise CommandError(
                Exit.REFUSED, f"the database {database} is not empty: a backup is restored into one that is"
            )
        try:
            await empty.begin()
            with show_progress("restoring", sum(part.size for part in archive.manifest.parts)) as meter:
                for part in archive.manifest.parts:
                    await _restore(empty, archive, part, meter)
            await empty.end()
        except BaseException:
            await empty.clear()
            raise
        return _summarise(archive.manifest.parts, "of", f"{archive.manifest.made} are in {database}")

    typer.echo(_run(work))


async def _keep(snapshot: Snapshot, kept: Kept, folder: Path, meter: Meter) -> Part:
    writer = PartWriter(folder, kept.name)
    async for document in snapshot.documents(kept.name):
        writer.write(document)
        meter.read(len(document))
        meter.count(1)
    return Part(kept.name, kept.indexes, writer.documents, writer.size, writer.close())


async def _restore(empty: EmptyDatabase, archive: Archive, part: Part, meter: Meter) -> None:
    await empty.create(Kept(part.name, part.indexes))
    count = 0
    for batch in _batches(archive.documents(part)):
        await empty.insert(part.name, batch)
        meter.read(sum(map(len, batch)))
        meter.count(len(batch))
        count += len(batch)
    if count != part.documents:
        raise CommandError(
            Exit.REFUSED, f"{part.name} has {count:,} documents, not {part.documents:,}: nothing was kept"
        )


def _batches(documents: Iterator[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document)
        if len(batch) == _MOST or size >= _LARGEST:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _summarise(parts: tuple[Part, ...], word: str, where: str) -> str:
    return f"{sum(part.documents for part in parts):,} documents of {len(parts)} collections {word} {where}"


def _run(work: Callable[[Client, str], Awaitable[str]]) -> str:
    settings = check_settings()

    async def run(uri: str) -> str:
        client = connect(uri)
        try:
            return await work(client, settings.database)
        finally:
            await client.close()

    try:
        with reach_database(settings) as uri, database_errors():
            return asyncio.run(run(uri))
    except MomentLost:
        message = "the database keeps no moment that long: raise minSnapshotHistoryWindowInSeconds of mongod"
        raise CommandError(Exit.ENVIRONMENT, message) from None
    except (FhirError, StoreUnusable) as fault:
        raise CommandError(Exit.ENVIRONMENT, str(fault)) from None
