"""Reads by id that arrive while one is under way go out together, as one `$in` query (docs/decisions/0006).

One call of the driver costs several hundred microseconds of CPU whatever it fetches: this is what makes reads cheap.
Creates are joined in the same way (MongoStore.insert): what they wait for then is one commit of the journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")
_TURNS = 2
"""Turns of the loop in which more may come: what arrives together is not read from all its sockets in one."""
Fetch = Callable[[list[Key]], Awaitable[Mapping[Key, Value]]]


class Coalescer(Generic[Key, Value]):
    """Joins concurrent reads. A read never gets what was fetched before it was asked for."""

    def __init__(self, fetch: Fetch[Key, Value], largest: int = 500, patience: float = 0.0, flights: int = 1) -> None:
        """`fetch` reads several keys at once; `largest` bounds how many, unless one read asks for more.

        Where several went out together last, the next wait for whoever is expected, twice as long as `patience`
        (seconds) at most. `flights` is how many may be under way at a time.
        """
        self._fetch = fetch
        self._largest = largest
        self._patience = patience
        self._flights = flights
        self._expected = 0
        self._together = 0
        self._departure: asyncio.Future[None] | None = None
        self._waiting: list[tuple[list[Key], asyncio.Future[Mapping[Key, Value]]]] = []
        self._under_way = 0
        self._is_gathering = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_idle(self) -> bool:
        """Tells whether nobody waits and nothing is under way."""
        return not self._under_way and not self._waiting

    def expect(self) -> None:
        """Learns of somebody who is about to read."""
        self._expected += 1

    def excuse(self) -> None:
        """Learns that somebody who was expected is here now, or has nothing to read."""
        self._expected -= 1
        if not self._expected:
            self._depart()

    async def read(self, keys: Iterable[Key]) -> dict[Key, Value]:
        """Returns the values of those keys that have one."""
        wanted = list(keys)
        # a future of its own for each reader: one that gives up cancels nothing that another waits for
        future: asyncio.Future[Mapping[Key, Value]] = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, future))
        if not self._is_gathering and self._under_way < self._flights:
            self._is_gathering = True
            self._under_way += 1
            task = asyncio.create_task(self._fly())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        found = await future
        return {key: found[key] for key in wanted if key in found}

    async def _fly(self) -> None:
        """Fetches until nobody waits, or others gather who does. What joins during a fetch goes with the next one."""
        try:
            while True:
                keys, futures = await self._take()
                await self._answer(keys, futures)
                if self._is_gathering or not self._waiting:
                    break
                self._is_gathering = True
        finally:
            self._under_way -= 1

    async def _take(self) -> tuple[list[Key], list[asyncio.Future[Mapping[Key, Value]]]]:
        try:
            await self._gather()
        finally:
            self._is_gathering = False
        return self._board()

    async def _gather(self) -> None:
        """Lets others come where several came last: those who are expected, and who is in the sockets now."""
        for _ in range(_TURNS if self._together > 1 else 0):
            if self._patience and self._expected:
                await self._await_expected()
            else:
                await asyncio.sleep(0)

    async def _await_expected(self) -> None:
        loop = asyncio.get_running_loop()
        self._departure = loop.create_future()
        timer = loop.call_later(self._patience, self._depart)
        await self._departure
        timer.cancel()

    def _depart(self) -> None:
        if self._departure and not self._departure.done():
            self._departure.set_result(None)

    def _board(self) -> tuple[list[Key], list[asyncio.Future[Mapping[Key, Value]]]]:
        """Takes those who wait, first come first served, up to the largest number of keys."""
        keys: dict[Key, None] = {}
        boarded = 0
        for wanted, _ in self._waiting:
            if keys and len(keys) + len(wanted) > self._largest:
                break
            keys.update(dict.fromkeys(wanted))
            boarded += 1
        self._together = boarded
        futures = [future for _, future in self._waiting[:boarded]]
        del self._waiting[:boarded]
        return list(keys), futures

    async def _answer(self, keys: list[Key], futures: list[asyncio.Future[Mapping[Key, Value]]]) -> None:
        try:
            found = await self._fetch(keys)
        except Exception as fault:  # noqa: BLE001  every reader of the batch gets the error, whatever it is
            for future in futures:
                if not future.done():
                    future.set_exception(fault)
            return
        for future in futures:
            if not future.done():
                future.set_result(found)
