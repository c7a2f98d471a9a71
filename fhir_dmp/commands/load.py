"""`fhir-dmp load`: files → a FHIR server, several requests at a time, with a journal to resume by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import typer

from fhir_dmp.commands.connection import Connection, Target
from fhir_dmp.commands.delivery import Courier, Delivery
from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.commands.files import find_files, total_size
from fhir_dmp.commands.journal import Journal, open_journal
from fhir_dmp.commands.parcel import Parcel, pack
from fhir_dmp.commands.progress import Meter, show_progress
from fhir_dmp.commands.reading import read_pieces
from fhir_dmp.commands.report import Refusal, Report

CONCURRENT = 4
"""Requests under way at once."""


def load_paths(paths: Iterable[Path], target: Target, *, restart: bool) -> Report:
    """Loads files and folders and writes the report on stdout, also when the load ends early.

    Raises CommandError where the server cannot be reached, or where a signal ends the load.
    """
    roots = list(paths)
    files = find_files(roots)
    report = Report()
    with Connection(target) as connection:
        connection.greet()
        journal = open_journal(target.base_url, roots)
        _trust_or_clear(journal, connection, restart=restart)
        try:
            with show_progress("loading", total_size(files)) as meter:
                loading = Loading(connection, journal, report, meter)
                loading.run(pack(read_pieces(files, meter)))
        except KeyboardInterrupt:
            raise CommandError(Exit.INTERRUPTED, "interrupted: run the same command again to resume") from None
        finally:
            for line in report.lines():
                typer.echo(line)
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


class Loading:
    """A load under way. Threads send; everything else, the journal and the report too, happens in the caller's."""

    def __init__(self, connection: Connection, journal: Journal, report: Report, meter: Meter) -> None:
        self._connection = connection
        self._courier = Courier(connection)
        self._journal = journal
        self._report = report
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
                self._report.add({"refused": 1}, [parcel])
                continue
            rest = tuple(entry for entry in parcel.entries if entry.key not in self._journal)
            self._report.skipped += len(parcel.entries) - len(rest)
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
                self._settle_one(self._under_way.pop(future), future.result())

    def _settle_one(self, parcel: Parcel, delivery: Delivery) -> None:
        self._journal.add(delivery.keys, delivery.location)
        if parcel.depends and delivery.refusals:
            self._waiting.append((parcel, delivery))
            return
        self._report.add(delivery.tally, delivery.refusals)
        self._meter.count(len(parcel.entries))

    def _send_waiting(self) -> None:
        """Sends what depends on other parcels again, one by one, as long as that brings anything in."""
        while self._waiting:
            again, self._waiting = self._waiting, []
            for parcel, _ in again:
                self._settle_one(parcel, self._courier.deliver(parcel))
            if len(self._waiting) == len(again):
                break
        for parcel, delivery in self._waiting:
            self._report.add(delivery.tally, delivery.refusals)
            self._meter.count(len(parcel.entries))

    def _record_arrived(self) -> None:
        """Records what the server acknowledges after the load has ended."""
        for future in wait(self._under_way).done:
            if future.exception() is None:
                delivery = future.result()
                self._journal.add(delivery.keys, delivery.location)
                self._report.add(delivery.tally, delivery.refusals)
