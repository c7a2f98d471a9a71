"""Follows what other servers of the same database change, for as long as a server runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

SETTLE_SECONDS = 0.05
"""How long changes may follow one another and still be taken together."""

_logger = logging.getLogger(__name__)


@asynccontextmanager
async def following(
    changes: Callable[[], AsyncIterator[None]], load: Callable[[], Awaitable[None]], fault: type[Exception],
    *, what: str, poll_seconds: float,
) -> AsyncIterator[None]:  # fmt: skip
    """Calls `load` when the watch has begun and after each change, for the length of a `with`.

    `changes` yields once when it watches, and then whenever something has changed. Where it or `load` raises `fault`,
    `what` is looked at again every `poll_seconds`, until the watch holds.
    """
    task = asyncio.create_task(_follow(changes, load, fault, what, poll_seconds), name=what)
    try:
        yield
    finally:
        await end(task)


async def end(task: asyncio.Task[Any]) -> None:
    """Cancels a task and returns when it has ended: a driver that is connecting takes one for a failed attempt."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1)


async def _follow(
    changes: Callable[[], AsyncIterator[None]],
    load: Callable[[], Awaitable[None]],
    fault: type[Exception],
    what: str,
    poll_seconds: float,
) -> None:
    """What happens between two watches is seen as well: each begins with a look."""
    while True:
        try:
            async for _ in changes():
                await asyncio.sleep(SETTLE_SECONDS)
                await load()
        except fault as found:
            _logger.warning("%s: looked for every %g s, as the database does not answer: %s", what, poll_seconds, found)
        await asyncio.sleep(poll_seconds)
        try:
            await load()
        except fault as found:
            _logger.warning("%s: looked at again in %g s: %s", what, poll_seconds, found)
