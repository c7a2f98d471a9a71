"""`fhir-dmp load`: files → a FHIR server, several requests at a time, with a journal to resume by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

import typer

from fhir_dmp.commands.connection import Connection, Target
from fhir_dmp.commands.delivery import Courier, Delivery
from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.commands.files import find_files, total_size
from fhir_dmp.commands.journal import Journal, open_journal
from fhir_dmp.commands.parcel import Parcel, pack
from fhir_dmp.commands.progress import Meter, show_progress
from fhir_dmp.commands.reading import read_pieces
from fhir_dmp.commands.refused import Refused, RefusedFile, open_refused, read_unsent
from fhir_dmp.commands.report import Refusal, Report

CONCURRENT = 4
"""Requests under way at once."""


def load_paths(paths: Iterable[Path], target: Target, *, restart: bool, refused: Path | None = None) -> Report:
    """Loads files and folders and writes the report on stdout, also when the load ends early.

    What is refused is listed there, or goes into the file `refused` as soon as it is.

    Raises CommandError where the server cannot be reached, or where a signal ends the load.
    """
    roots = list(paths)
    files = find_files(roots)
    report = Report()
    with Connection(target) as connection, open_refused(refused, roots) as file:
        connection.greet()
        journal = open_journal(target.base_url, roots)
        _trust_or_clear(journal, connection, restart=restart)
        try:
            with show_progress("loading", total_size(files)) as meter:
                loading = Loading(connection, journal, Ledger(report, file), meter)
                loading.run(pack(read_pieces(files, meter)))
        except KeyboardInterrupt:
            raise CommandError(Exit.INTERRUPTED, "interrupted: run the same command again to resume") from None
        finally:
            for line in report.lines():
                typer.echo(line)
            if file and report.tally["refused"]:
                typer.echo(f"what was refused is in {file.path}, with the reasons")
    return report


def _trust_or_clear(journal: Journal, connection: Connection, *, restart: bool) -> None:
    """Clears a journal that is not wanted, or whose server has lost what it acknowledged: a new database."""
    if restart:
        journal.clear()
    if journal.last_location and connection.get(_relative(journal.last_location)).status == HTTPStatus.NOT_FOUND:
        typer.echo("fhir-dmp: the server no longer has what was loaded before: starting over", err=True)
        journal.clear()


def _relative(location: str) -> str:
    """Returns `Patient/1` of a location, which servers write with their base or without."""
    return "/".join(location.split("/")[-2:])


class Ledger(NamedTuple):
    """Where it is noted what became of the entries."""

    report: Report
    refused: RefusedFile | None

    def add(self, tally: Mapping[str, int], rows: Sequence[Refused]) -> None:
        """Notes what became of some; a file is written, and what is in it is not held for the report."""
        if self.refused and rows:
            self.refused.write(rows)
        self.report.add(tally, [] if self.refused else [refusal for row in rows for refusal in row.refusals])

    def add_unsent(self, refusal: Refusal) -> None:
        """Notes what could not be sent."""
        if self.refused:
            self.refused.write([read_unsent(refusal)])
        self.report.add({"refused": 1}, [] if self.refused else [refusal])


class Loading:
    """A load under way. Threads send; everything else, the journal and the report too, happens in the caller's."""

    def __init__(self, connection: Connection, journal: Journal, ledger: Ledger, meter: Meter) -> None:
        self._connection = connection
        self._courier = Courier(connection)
        self._journal = journal
        self._ledger = ledger
        self._meter = meter
        self._under_way: dict[Future[Delivery], Parcel] = {}
        self._waiting: list[tuple[Parcel, Delivery]] = []

    def run(self, parcels: Iterable[Parcel | Refusal]) -> None:
        """Sends everything; what was refused for want of something else is sent again after the rest."""
        with ThreadPoolExecutor(CONCURRENT) as pool:
            try:
                for parcel in self._to_send(parcels):
                    self._submit(pool, parcel)
                self._settle(leave=0)
                self._send_waiting()
            except BaseException:
                # what is under way still arrives, and must not be sent again when the load is resumed
                self._connection.end()
                self._record_arrived()
                raise

    def _to_send(self, parcels: Iterable[Parcel | Refusal]) -> Iterator[Parcel]:
        """Yields what is not yet with the server."""
        for parcel in parcels:
            if isinstance(parcel, Refusal):
                self._ledger.add_unsent(parcel)
                continue
            rest = tuple(entry for entry in parcel.entries if entry.key not in self._journal)
            self._ledger.report.skipped += len(parcel.entries) - len(rest)
            if rest:
                yield replace(parcel, entries=rest)

    def _submit(self, pool: ThreadPoolExecutor, parcel: Parcel) -> None:
        """Sends a parcel as soon as there is a place; two about the same resource keep their order."""
        self._settle(leave=CONCURRENT - 1)
        if any(not parcel.urls.isdisjoint(other.urls) for other in self._under_way.values()):
            self._settle(leave=0)
        self._under_way[pool.submit(self._courier.deliver, parcel)] = parcel

    def _settle(self, leave: int) -> None:
        """Waits until at most `leave` parcels are under way."""
        while len(self._under_way) > leave:
            for future in wait(self._under_way, return_when=FIRST_COMPLETED).done:
                delivery = future.result()
                # in the journal while it is under way: an interruption in between finds it there, and adds it again
                self._journal.add(delivery.keys, delivery.location)
                self._note(self._under_way.pop(future), delivery)

    def _note(self, parcel: Parcel, delivery: Delivery) -> None:
        """Notes what became of a parcel, or that it has to be sent again."""
        if parcel.depends and delivery.refused:
            self._waiting.append((parcel, delivery))
            return
        self._ledger.add(delivery.tally, delivery.refused)
        self._meter.count(len(parcel.entries))

    def _send_waiting(self) -> None:
        """Sends what depends on other parcels again, one by one, as long as that brings anything in."""
        while self._waiting:
            again, self._waiting = self._waiting, []
            for parcel, _ in again:
                delivery = self._courier.deliver(parcel)
                self._journal.add(delivery.keys, delivery.location)
                self._note(parcel, delivery)
            if len(self._waiting) == len(again):
                break
        for parcel, delivery in self._waiting:
            self._ledger.add(delivery.tally, delivery.refused)
            self._meter.count(len(parcel.entries))

    def _record_arrived(self) -> None:
        """Records what the server acknowledges after the load has ended."""
        for future in wait(self._under_way).done:
            if future.exception() is None:
                delivery = future.result()
                self._journal.add(delivery.keys, delivery.location)
                self._ledger.add(delivery.tally, delivery.refused)
