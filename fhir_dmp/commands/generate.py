"""`fhir-dmp generate`: synthetic French records into files or a server, one patient at a time.

ndjson as the bulk data files of https://hl7.org/fhir/uv/bulkdata/, or transactions, https://hl7.org/fhir/R4/http.html#transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from itertools import chain
from pathlib import Path
from random import Random
from typing import BinaryIO

import orjson
import typer

import fhir_dmp.generation
from fhir_dmp.commands.connection import Connection, Target
from fhir_dmp.commands.delivery import Courier, Delivery
from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.commands.load import CONCURRENT
from fhir_dmp.commands.parcel import Entry, Parcel
from fhir_dmp.commands.progress import Meter, show_progress
from fhir_dmp.commands.report import Place, Report
from fhir_dmp.generation.links import Links
from fhir_dmp.generation.records import Batch, Plan, generate
from fhir_dmp.generation.tables import Tables, parse_tables
from fhir_dmp.generation.transaction import build_requests, build_transaction
from fhir_dmp.json_text import JsonObject, write_json

DATA = Path(fhir_dmp.generation.__file__).parent / "data"
"""Where the figures are: JSON files of tables, each with its source and year."""

_EARLIEST, _LATEST = date(2000, 1, 1), date(2049, 12, 31)
_PER_FOLDER = 1000


Asked = tuple[int, int, str, int]
"""What the command line asks for: patients, seed, last day (empty for today), years."""


def run_generation(asked: Asked, folder: Path | None, target: Target | None, *, as_bundles: bool) -> bool:
    """Generates into a folder or a server; returns whether nothing was refused. Raises CommandError."""
    if (folder is None) == (target is None):
        raise CommandError(Exit.USAGE, "generate takes --out DIR or --load, one of them")
    if target and as_bundles:
        raise CommandError(Exit.USAGE, "--bundles is for --out: --load sends transactions in any case")
    if target:
        return not generate_into_server(plan_records(*asked, Links.IN_BUNDLE), target).refusals
    if folder and as_bundles:
        generate_bundles(plan_records(*asked, Links.IN_BUNDLE), folder)
    elif folder:
        generate_files(plan_records(*asked, Links.BY_ID), folder)
    return True


def plan_records(patients: int, seed: int, until: str, years: int, links: Links) -> Plan:
    """Returns what the command line asks for; raises CommandError (usage)."""
    try:
        day = date.fromisoformat(until) if until else datetime.now(UTC).date()
    except ValueError:
        raise CommandError(Exit.USAGE, f"--until takes a date as YYYY-MM-DD, not {until!r}") from None
    if not _EARLIEST <= day <= _LATEST:
        raise CommandError(Exit.USAGE, f"--until takes a date from {_EARLIEST} to {_LATEST}, not {until}")
    return Plan(patients, seed, day, years, links)


def generate_files(plan: Plan, folder: Path) -> None:
    """Writes a file of resources for each type. Raises CommandError where the folder cannot be used."""
    _prepare(folder)
    tally: Counter[str] = Counter()
    with ExitStack() as files, show_progress("generating", plan.patients) as meter, _explain_faults(folder):
        opened: dict[str, BinaryIO] = {}
        for resource in chain.from_iterable(map(_resources, _read_batches(plan, meter))):
            name = resource["resourceType"]
            if name not in opened:
                opened[name] = files.enter_context((folder / f"{name}.ndjson").open("wb"))
            opened[name].write(write_json(resource) + b"\n")
            tally[name] += 1
    typer.echo(f"{_count(plan)}: {tally.total():,} resources of {len(tally)} types in {folder}")


def generate_bundles(plan: Plan, folder: Path) -> None:
    """Writes a transaction for each patient, in the order in which they are to be loaded, a thousand to a folder."""
    _prepare(folder)
    resources = 0
    with show_progress("generating", plan.patients) as meter, _explain_faults(folder):
        for number, batch in enumerate(_read_batches(plan, meter)):
            below = folder / f"{number // _PER_FOLDER:04d}"
            below.mkdir(exist_ok=True)
            kind = "directory" if batch.shared else "patient"
            (below / f"{number:07d}-{kind}.json").write_bytes(write_json(build_transaction(batch)))
            resources += len(batch.shared) + len(batch.resources)
    typer.echo(f"{_count(plan)}: {resources:,} resources in {folder}")


def generate_into_server(plan: Plan, target: Target) -> Report:
    """Sends a transaction for each patient, several at a time, and writes the report on stdout.

    Raises CommandError where the server cannot be reached.
    """
    report = Report()
    with Connection(target) as connection, show_progress("loading", plan.patients) as meter:
        connection.greet()
        try:
            _send(_read_batches(plan, meter), Courier(connection), report)
        except KeyboardInterrupt:
            connection.end()
            raise CommandError(Exit.INTERRUPTED, "interrupted: the same command sends everything again") from None
        finally:
            for line in report.lines():
                typer.echo(line)
    return report


def load_tables() -> Tables:
    """Returns the figures that come with this package."""
    files = (orjson.loads((DATA / f"{name}.json").read_bytes()) for name in ("population", "care", "medicine"))
    return parse_tables(*files)


def _send(batches: Iterable[Batch], courier: Courier, report: Report) -> None:
    """Sends batches; what a directory holds arrives before those who refer to it are sent."""
    under_way: set[Future[Delivery]] = set()
    with ThreadPoolExecutor(CONCURRENT) as pool:
        for number, batch in enumerate(batches):
            parcel = _build_parcel(number, batch)
            if batch.shared:
                _add(report, courier.deliver(parcel))
                continue
            while len(under_way) >= CONCURRENT:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                _add_all(report, done)
            under_way.add(pool.submit(courier.deliver, parcel))
        _add_all(report, under_way)


def _add_all(report: Report, done: Iterable[Future[Delivery]]) -> None:
    for future in done:
        _add(report, future.result())


def _add(report: Report, delivery: Delivery) -> None:
    report.add(delivery.tally, delivery.refusals)


def _build_parcel(number: int, batch: Batch) -> Parcel:
    name = Path(f"{number:07d}-{'directory' if batch.shared else 'patient'}")
    entries = (
        Entry(Place(name, f"Bundle.entry[{index}].resource"), requested.entry, "", 0, requested.plain)
        for index, requested in enumerate(build_requests(batch))
    )
    return Parcel(tuple(entries), is_whole=True)


def _read_batches(plan: Plan, meter: Meter) -> Iterator[Batch]:
    """Yields the batches of a plan, and tells how far it is."""
    for batch in generate(plan, load_tables(), Random):
        yield batch
        meter.read(1 if batch.resources else 0)
        meter.count(len(batch.shared) + len(batch.resources))


def _resources(batch: Batch) -> Iterator[JsonObject]:
    yield from (shared.resource for shared in batch.shared)
    yield from batch.resources


def _prepare(folder: Path) -> None:
    """Makes the folder; what is in one already is not mixed with what comes."""
    with _explain_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise CommandError(Exit.USAGE, f"{folder} is not empty: --out takes a new or an empty folder")


@contextmanager
def _explain_faults(folder: Path) -> Iterator[None]:
    """Ends the command in order where the file system refuses."""
    try:
        yield
    except OSError as fault:
        raise CommandError(Exit.ENVIRONMENT, f"{folder} cannot be written: {fault.strerror or fault}") from None


def _count(plan: Plan) -> str:
    return f"{plan.patients:,} patient{'' if plan.patients == 1 else 's'}"
