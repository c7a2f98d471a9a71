"""`fhir-dmp matrix`: the habilitation matrix of the servers of a database, docs/reference/access.md."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import typer

from fhir_dmp.access.matrix import parse_matrix
from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.commands.preflight import check_settings
from fhir_dmp.commands.reach import reach_database
from fhir_dmp.habilitation.check import check_table, find_gaps
from fhir_dmp.habilitation.difference import find_differences
from fhir_dmp.habilitation.port import Kept, MatricesUnavailable, MatrixStore, VersionTaken
from fhir_dmp.instant import write_instant
from fhir_dmp.json_text import JsonObject, parse_json_object, write_json
from fhir_dmp.loader import load_habilitation, load_habilitation_schema, load_shipped_definitions
from fhir_dmp.outcome import FhirError
from fhir_dmp.settings import Settings
from fhir_dmp.store.mongo.habilitation import MongoMatrices
from fhir_dmp.store.mongo.store import connect

Result = TypeVar("Result")

_PROFESSIONS, _TYPES = "TRE-G15-ProfessionSante", "JDV-J66-TypeCode-DMP"


def show_matrix(version: str, *, as_json: bool) -> None:
    """Writes a version of the matrix, by default the one in force, and which ones there were.

    As JSON it is the table alone, as `replace` takes it. Raises CommandError where there is no such version.
    """
    kept = _run(check_settings(), lambda store: store.kept())
    found = _find(kept, version)
    table = found.table if found else load_habilitation()
    if as_json:
        typer.echo(write_json(table, indent=True).decode())
        return
    for line in (*_describe(table), *_tell_history(kept)):
        typer.echo(line)


def check_matrix(file: Path) -> bool:
    """Writes what is wrong with a table, or else what it leaves out; tells whether it is a matrix."""
    table = _read(file)
    faults = check_table(table, load_habilitation_schema())
    for line in faults or (*_describe(table), *_tell_gaps(table)):
        typer.echo(line)
    return not faults


def replace_matrix(file: Path) -> bool:
    """Puts a table in force, and writes what it opens and closes; tells whether it is a matrix.

    Raises CommandError (refused) where another table has its version.
    """
    settings, table = check_settings(), _read(file)
    faults = check_table(table, load_habilitation_schema())
    for line in faults:
        typer.echo(line)
    if faults:
        return False

    async def work(store: MatrixStore) -> tuple[Kept | None, Kept]:
        former = await store.current()
        return former, await store.put_in_force(table, time.time_ns() // 1_000_000, is_shipped=False)

    try:
        former, current = _run(settings, work)
    except VersionTaken as fault:
        raise CommandError(Exit.REFUSED, f"{fault}: give this one a version of its own") from None
    if former and former.number == current.number:
        typer.echo(f"{current.version}  in force already")
        return True
    typer.echo(f"{current.version}  in force since {write_instant(current.since)}")
    for line in _tell_differences(former.table if former else load_habilitation(), table):
        typer.echo(line)
    return True


def _find(kept: Sequence[Kept], version: str) -> Kept | None:
    if not version:
        return kept[-1] if kept else None
    found = [row for row in kept if row.version == version]
    if not found:
        raise CommandError(Exit.REFUSED, f"no version {version} of the habilitation matrix was ever in force here")
    return found[-1]


def _describe(table: JsonObject) -> Iterator[str]:
    cells = [cell for row in table["professions"].values() for cell in row["cells"]]
    counts = Counter(cell["confidence"] for cell in cells)
    told = ", ".join(f"{counts[name]} {name}" for name in ("official", "reported", "assumed"))
    yield f"{table['version']}  {len(table['professions'])} professions, {len(cells)} cells: {told}"
    yield from (f"  {name}: {text}" for name, text in table["sources"].items())


def _tell_history(kept: Sequence[Kept]) -> Iterator[str]:
    if not kept:
        yield "no server has run on this database yet: this is the matrix that it would begin with"
    for row in reversed(kept):
        came = "  with the server" if row.is_shipped else ""
        yield f"since {write_instant(row.since)}  {row.version}{came}"


def _tell_gaps(table: JsonObject) -> Iterator[str]:
    shipped = {row.get("id"): row for row in load_shipped_definitions()}
    includes = shipped[_TYPES]["compose"]["include"]
    types = [concept["code"] for include in includes for concept in include["concept"]]
    yield from find_gaps(table, [concept["code"] for concept in shipped[_PROFESSIONS]["concept"]], types)


def _tell_differences(before: JsonObject, after: JsonObject) -> Iterator[str]:
    names = {code: row["display"] for table in (before, after) for code, row in table["professions"].items()}
    for row in find_differences(parse_matrix(before), parse_matrix(after)):
        opened = f"  opens {', '.join(row.opened)}" if row.opened else ""
        closed = f"  closes {', '.join(row.closed)}" if row.closed else ""
        yield f"  {row.profession} {names[row.profession]}:{opened}{closed}"


def _read(file: Path) -> JsonObject:
    try:
        return parse_json_object(file.read_bytes())
    except FhirError as fault:
        raise CommandError(Exit.REFUSED, f"{file} holds no JSON object: {fault.issues[0].message}") from None
    except OSError as fault:
        raise CommandError(Exit.ENVIRONMENT, f"{file} cannot be read: {fault.strerror}") from None


def _run(settings: Settings, work: Callable[[MatrixStore], Awaitable[Result]]) -> Result:
    async def run(uri: str) -> Result:
        client = connect(uri)
        try:
            return await work(MongoMatrices(client, settings.database))
        finally:
            await client.close()

    try:
        with reach_database(settings) as uri:
            return asyncio.run(run(uri))
    except MatricesUnavailable as fault:
        raise CommandError(Exit.ENVIRONMENT, str(fault)) from None
