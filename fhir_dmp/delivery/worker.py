"""The worker of a server's process: while it has the lease it collects and sends; another takes over where it ends."""

from __future__ import annotations

import asyncio
import logging
from asyncio import Event as Signal
from contextlib import suppress

from fhir_dmp.delivery.collect import Collecting
from fhir_dmp.delivery.send import Sending
from fhir_dmp.delivery.subscriptions import find_begun, set_status
from fhir_dmp.interactions.context import Context
from fhir_dmp.rest_hook import RestHook
from fhir_dmp.store.event_port import Events, HistoryLost, LeaseLost
from fhir_dmp.watch import end
from fhir_dmp.xml.form import Forms

PAUSE_SECONDS = 2.0
"""How often a worker without the lease asks for it, and one that has it prolongs it."""
TIMEOUT_SECONDS = 20.0
"""How long one delivery may take."""
_LOST = "The server was away for so long that notifications may be missing."
_log = logging.getLogger("fhir_dmp.delivery")


async def deliver_for_ever(context: Context, events: Events) -> None:
    """Tells subscribers what is written, until it is cancelled; then the lease is given back."""
    async with RestHook(context.subscription_hosts, TIMEOUT_SECONDS) as hook:
        sending = Sending(context, events, context.outbox, hook, Forms(context.registry))
        while True:
            await _try_to_work(context, events, sending)
            await asyncio.sleep(PAUSE_SECONDS)


async def _try_to_work(context: Context, events: Events, sending: Sending) -> None:
    try:
        if await events.hold(context.now()):
            await _work_or_admit_loss(context, events, sending)
    except LeaseLost:
        _log.info("another worker sends notifications now")
    except Exception:  # noqa: BLE001  whatever went wrong, the next attempt may go right
        _log.exception("no notifications are sent for a moment")
    finally:
        # also where it was cancelled while it took the lease; one that is another's stays his
        with suppress(Exception):
            await events.release()


async def _work_or_admit_loss(context: Context, events: Events, sending: Sending) -> None:
    try:
        if await events.has_lost():
            await _admit_loss(context, events)
        await _work(context, events, sending)
    except HistoryLost:
        # that it is lost is kept: whoever has the lease after a crash admits it
        await events.forget()
        await _admit_loss(context, events)


async def _work(context: Context, events: Events, sending: Sending) -> None:
    """Returns, or raises what went wrong, when one of its parts has ended."""
    collected = Signal()
    collecting = Collecting(context, events, collected)
    sending.audience = lambda: collecting.audience
    parts = [
        asyncio.create_task(_prolong(context, events), name="lease"),
        asyncio.create_task(collecting.run(), name="collecting"),
        asyncio.create_task(sending.run(collected), name="sending"),
    ]
    try:
        done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        for part in done:
            part.result()
    finally:
        for part in parts:
            await end(part)


async def _prolong(context: Context, events: Events) -> None:
    while True:
        await asyncio.sleep(PAUSE_SECONDS)
        if not await events.hold(context.now()):
            raise LeaseLost


async def _admit_loss(context: Context, events: Events) -> None:
    """What was written meanwhile is not known any more: who subscribed is told by the status, and begins anew.

    Also who has not shaken hands yet: that he asked for it may be among what is lost, and he would wait for ever.
    """
    _log.error(_LOST)
    await events.begin()
    for subscription_id in await find_begun(context):
        await set_status(context, subscription_id, "error", _LOST)
    await events.admit()
