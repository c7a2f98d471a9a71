"""Reads by id that arrive while one is under way go out together, as one `$in` query (docs/decisions/0006).

One call of the driver costs several hundred microseconds of CPU whatever it fetches: this is what makes reads cheap.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")
Fetch = Callable[[list[Key]], Awaitable[Mapping[Key, Value]]]


class Coalescer(Generic[Key, Value]):
    """Joins concurrent reads. A read never gets what was fetched before it was asked for."""

    def __init__(self, fetch: Fetch[Key, Value], largest: int = 500) -> None:
        """`fetch` reads several keys at once; `largest` bounds how many."""
        self._fetch = fetch
        self._largest = largest
        self._waiting: dict[Key, asyncio.Future[Value | None]] = {}
        self._flight: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Tells whether nobody waits and nothing is under way."""
        return self._flight is None and not self._waiting

    async def read(self, keys: Iterable[Key]) -> dict[Key, Value]:
        """Returns the values of those keys that have one."""
        futures = {key: self._future(key) for key in keys}
        if self._flight is None:
            self._flight = asyncio.create_task(self._fly())
        found = {key: await asyncio.shield(future) for key, future in futures.items()}
        return {key: value for key, value in found.items() if value is not None}

    def _future(self, key: Key) -> asyncio.Future[Value | None]:
        future = self._waiting.get(key)
        if future is None:
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
        return future

    async def _fly(self) -> None:
        """Fetches until nobody waits. What joins during a fetch goes with the next one."""
        try:
            while self._waiting:
                keys = list(self._waiting)[: self._largest]
                batch = {key: self._waiting.pop(key) for key in keys}
                await self._answer(batch)
        finally:
            self._flight = None

    async def _answer(self, batch: dict[Key, asyncio.Future[Value | None]]) -> None:
        try:
            found = await self._fetch(list(batch))
        except Exception as fault:  # noqa: BLE001  every reader of the batch gets the error, whatever it is
            for future in batch.values():
                future.set_exception(fault)
                future.exception()
            return
        for key, future in batch.items():
            future.set_result(found.get(key))
