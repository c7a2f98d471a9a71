"""The clerk: files what one process recorded in the time that requests leave, so that readers hardly wait for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from pymongo.errors import PyMongoError

from fhir_dmp.instant import Milliseconds
from fhir_dmp.store.mongo.filing import Filing
from fhir_dmp.store.mongo.recorded import of_chain, recorded_before
from fhir_dmp.watch import end

MOST = 20_000
"""Events of one process that may wait to be filed; what comes then waits for the clerk."""
STEP = 50
"""Events that are filed before requests have time of their own."""
LATER = 0.5
"""Seconds from an event to its filing, where there is nothing else to do."""
PAUSE = 1.0
"""Seconds that requests have to themselves after a step, where little waits; less where more does.

Nothing where no requests come, or MOST events wait.
"""
LEFT_BEHIND: Milliseconds = 60_000
"""The age of what other processes left behind, and the time from one look at it to the next."""
LONGEST_SECONDS = 5.0
"""How long an event waits for room, and a process that ends for its clerk."""
_RETRY = 1.0
_CHAINS = 8
"""The chains that are looked at again, the last that were written to: more than a process has at a time."""
_log = logging.getLogger("fhir_dmp.audit")


class Clerk:
    """Files the events of a process, of whatever chain; begins when it is told of one."""

    def __init__(self, filing: Filing, now: Callable[[], Milliseconds]) -> None:
        """`filing` is of the database that the events are recorded in."""
        self._filing = filing
        self._now = now
        self._chains: dict[str, None] = {}
        self._recorded = 0
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._room.set()

    def note(self, chain: str, events: int) -> None:
        """Learns that so many events are recorded in a chain."""
        self._chains.pop(chain, None)
        self._chains[chain] = None
        self._recorded += events
        self._waiting += events
        if self._waiting >= MOST:
            self._room.clear()
        if self._task is None:
            self._task = asyncio.create_task(self._work())

    async def make_room(self) -> None:
        """Returns once fewer than MOST events wait; raises TimeoutError where that takes long."""
        if not self._room.is_set():
            await asyncio.wait_for(self._room.wait(), LONGEST_SECONDS)

    async def close(self) -> None:
        """Files what there is for a few seconds; whoever comes next files the rest."""
        if self._task is None:
            return
        await end(self._task)
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                for chain in list(self._chains):
                    await self._filing.file(of_chain(chain))
        except (PyMongoError, TimeoutError) as fault:
            _log.warning("events that are recorded are left for the next server to file: %r", fault)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Files, now and then, what processes left behind that are gone, for the length of a `with`.

        What is young is left to the clerk of whoever recorded it, who files it when requests leave him the time.
        """
        task = asyncio.create_task(self._keep_filing())
        try:
            yield
        finally:
            await end(task)

    async def _keep_filing(self) -> None:
        while True:
            try:
                await self._filing.file(recorded_before(self._now() - LEFT_BEHIND, self._chains))
            except PyMongoError as fault:
                _log.warning("what was left behind is not filed yet: %s", fault)
            await asyncio.sleep(LEFT_BEHIND / 1000)

    async def _work(self) -> None:
        await asyncio.sleep(LATER)
        while self._waiting:
            try:
                await self._step()
            except Exception as fault:  # noqa: BLE001  without him every request waits in the end, whatever it was
                _log.warning("events are not filed yet: %r", fault)
                await asyncio.sleep(_RETRY)
        self._task = None

    async def _step(self) -> None:
        before, filed = self._recorded, 0
        for chain in list(self._chains):
            filed += await self._filing.file(of_chain(chain), STEP - filed) if filed < STEP else 0
        self._settle(filed, self._recorded - before)
        if self._recorded != before:
            await asyncio.sleep(PAUSE * max(0.0, 1 - self._waiting / MOST))

    def _settle(self, filed: int, meanwhile: int) -> None:
        """Counts what waits: only where fewer were found than a step has, nothing does but what came meanwhile."""
        self._waiting = max(1, meanwhile, self._waiting - filed) if filed >= STEP else meanwhile
        if filed < STEP:
            self._chains = dict(list(self._chains.items())[-_CHAINS:])
        if self._waiting < MOST:
            self._room.set()
