"""`fhir-dmp reindex`: rebuilds the facts by which resources are found, and by which it is decided who may see them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

import typer

from fhir_dmp.app import build_indexer
from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.commands.preflight import check_settings
from fhir_dmp.commands.progress import show_progress
from fhir_dmp.commands.reach import reach_database
from fhir_dmp.outcome import FhirError
from fhir_dmp.settings import Settings
from fhir_dmp.store.mongo.fault import database_errors
from fhir_dmp.store.mongo.packages import MongoPackages
from fhir_dmp.store.mongo.reindex import Reindexing, read_base_url, register_server
from fhir_dmp.store.mongo.store import Client, StoreUnusable, connect, require_whole

Result = TypeVar("Result")

TOLD = 1000
"""Findings that are written; of more, only the number."""

_DEFAULT_BASE_URL = "http://127.0.0.1:8080/fhir"
_log = logging.getLogger("fhir_dmp.reindex")


def reindex_database(*, is_complete: bool) -> bool:
    """Rebuilds the stale facts of the database of the settings, or all, and returns whether none is stale then.

    Raises CommandError where the database cannot be reached, or holds nothing.
    """
    settings = check_settings()
    try:
        with reach_database(settings) as uri:
            return _run(replace(settings, mongodb_uri=uri), partial(_reindex, settings, is_complete=is_complete))
    except (FhirError, StoreUnusable) as fault:
        raise CommandError(Exit.ENVIRONMENT, str(fault)) from None


def warn_of_stale_facts(settings: Settings) -> None:
    """Logs one warning if facts may be stored that this server's version would not write. A server starts with it."""

    async def register(client: Client) -> bool:
        return await register_server(client, settings.database, settings.base_url)

    try:
        is_stale = _run(settings, register)
    except FhirError as fault:
        raise StoreUnusable(str(fault)) from None
    if is_stale:
        _log.warning(
            "the database may hold facts of another version: searches may miss such resources, and people may not "
            "see them; rebuild them with: fhir-dmp reindex (this server may run meanwhile)"
        )


def _run(settings: Settings, work: Callable[[Client], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        client = connect(settings.mongodb_uri)
        try:
            with database_errors():
                return await work(client)
        finally:
            await client.close()

    return asyncio.run(run())


async def _reindex(settings: Settings, client: Client, *, is_complete: bool) -> bool:
    await require_whole(client[settings.database])
    base_url = settings.base_url or await read_base_url(client, settings.database) or _DEFAULT_BASE_URL
    stored = await MongoPackages(client, settings.database).read_parameters()
    indexer = build_indexer(replace(settings, base_url=base_url), stored)
    reindexing = Reindexing(client, settings.database, indexer, is_complete=is_complete)
    if not await reindexing.size():
        raise CommandError(Exit.ENVIRONMENT, f"the database {settings.database} holds nothing")
    findings = await _rebuild(reindexing)
    stale = await reindexing.finish()
    typer.echo(_summarise(reindexing, findings, stale))
    return not stale and not findings


async def _rebuild(reindexing: Reindexing) -> int:
    """Returns how many documents could not be rebuilt; each is a line."""
    findings = 0
    with show_progress("reindexing", await reindexing.count()) as meter:

        def done(documents: int) -> None:
            meter.read(documents)
            meter.count(documents)

        async for finding in reindexing.run(done):
            findings += 1
            if findings <= TOLD:
                typer.echo(str(finding))
    return findings


def _summarise(reindexing: Reindexing, findings: int, stale: int) -> str:
    rows = [f"{reindexing.rebuilt:,} versions have new facts" if reindexing.rebuilt else "nothing was to be rebuilt"]
    if reindexing.overtaken:
        rows.append(f"{reindexing.overtaken:,} were overtaken by a newer version")
    if findings:
        rows.append(f"{findings:,} could not be rebuilt")
    if stale > findings:
        rows.append(f"{stale - findings:,} are stale again: a server of another version writes; end it, then run again")
    return "; ".join(rows)
