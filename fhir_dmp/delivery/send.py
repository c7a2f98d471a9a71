"""Notices are sent: in order for each subscription, several subscriptions at a time, each decided when it goes.

A notice is numbered when it has arrived, so that what is hidden meanwhile leaves no gap. One that arrived, but of which
that could not be written down any more, is sent again under the same number.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import Event as Signal
from contextlib import suppress
from dataclasses import dataclass, field

from fhir_dmp.delivery.sight import see, trace
from fhir_dmp.delivery.subscriptions import Stored, find_subscription, set_status
from fhir_dmp.instant import parse_instant
from fhir_dmp.interactions.context import Context
from fhir_dmp.json_text import parse_json_object, write_json
from fhir_dmp.outcome import FhirError
from fhir_dmp.resource import Version
from fhir_dmp.rest_hook import Receipt, RestHook
from fhir_dmp.store.event_port import Events, LeaseLost, Notice, Outbox
from fhir_dmp.subscription.channel import read_headers
from fhir_dmp.subscription.retry import pause_after
from fhir_dmp.subscription.shipment import Shipment, build_shipment
from fhir_dmp.watch import end
from fhir_dmp.xml.form import Forms
from fhir_dmp.xml.write import write_xml

LOOK_SECONDS = 1.0
"""How often the outbox is looked at where nothing came in: for what has to be tried again."""
AT_ONCE = 32
"""Subscriptions that are sent to at the same time: a slow endpoint takes one place."""
_NOT_ALLOWED = "This server does not send notifications to that endpoint."
_FAILED = "The endpoint did not take a notification, although it was tried for hours."
_XML = "application/fhir+xml"
_log = logging.getLogger("fhir_dmp.delivery")


@dataclass(slots=True)
class Sending:
    """The sending of one worker. `places` are the subscriptions that are being sent to."""

    context: Context
    events: Events
    outbox: Outbox
    hook: RestHook
    forms: Forms
    places: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def run(self, collected: Signal) -> None:
        """Sends what is due, until it is cancelled."""
        try:
            while True:
                await self._look(collected)
        finally:
            for task in list(self.places.values()):
                await end(task)

    async def _look(self, collected: Signal) -> None:
        collected.clear()
        if not await self.start_due(collected):
            await _wait(collected)

    async def start_due(self, done: Signal) -> int:
        """Begins to send the next notice of each subscription that has none under way; returns of how many."""
        free = AT_ONCE - len(self.places)
        if free <= 0:
            return 0
        notices = await self.outbox.due(self.context.now(), list(self.places))
        for notice in notices[:free]:
            self.places[notice.subscription_id] = asyncio.create_task(self._take(notice, done))
        return len(notices[:free])

    async def _take(self, notice: Notice, done: Signal) -> None:
        try:
            await self.send(notice)
        except LeaseLost:
            _log.info("Subscription/%s is told by another worker", notice.subscription_id)
        except Exception:  # noqa: BLE001  whatever went wrong, the notice stays and is tried again
            _log.exception("a notice of Subscription/%s was not sent", notice.subscription_id)
            with suppress(FhirError):
                await self._try_again(notice)
        finally:
            del self.places[notice.subscription_id]
            done.set()

    async def send(self, notice: Notice) -> None:
        """Sends one notice, if its subscriber may see now what it is about."""
        stored = await find_subscription(self.context, notice.subscription_id)
        shown = await see(self.context, stored.subscriber.now, notice) if stored and self._is_on(stored) else None
        if stored is None or shown is None or shown.content is None:
            await self.outbox.discard(notice)
            return
        if not await self.events.hold(self.context.now()):
            raise LeaseLost
        if notice.attempts == 0:
            await trace(self.context, stored.subscriber.now, notice, shown)
        await self._settle(notice, await self._post(stored, self._build(stored, shown)))

    def _is_on(self, stored: Stored) -> bool:
        ends = stored.wanted.ends
        return stored.resource["status"] == "active" and not (ends and parse_instant(ends, "end") <= self.context.now())

    def _build(self, stored: Stored, shown: Version) -> Shipment:
        return build_shipment(stored.wanted, shown.identity, parse_json_object(shown.content or b""))

    async def _post(self, stored: Stored, shipment: Shipment) -> Receipt:
        headers = read_headers(stored.subscriber.headers)
        if shipment.resource is None:
            return await self.hook.send(shipment.url, headers, b"", "", shipment.method)
        is_xml = stored.wanted.payload == _XML
        body = write_xml(shipment.resource, self.forms) if is_xml else write_json(shipment.resource)
        return await self.hook.send(shipment.url, headers, body, stored.wanted.payload, shipment.method)

    async def _settle(self, notice: Notice, receipt: Receipt) -> None:
        if receipt is Receipt.DELIVERED:
            await self.outbox.deliver(notice, await self.outbox.told(notice.subscription_id) + 1)
        elif receipt is Receipt.REFUSED:
            await self._give_up(notice, _NOT_ALLOWED)
        else:
            await self._try_again(notice)

    async def _try_again(self, notice: Notice) -> None:
        pause = pause_after(notice.attempts + 1)
        if pause is None:
            await self._give_up(notice, _FAILED)
        else:
            await self.outbox.postpone(notice, self.context.now() + pause)

    async def _give_up(self, notice: Notice, reason: str) -> None:
        """The status first: after a crash between the two the notices are tried once more, and not lost."""
        await set_status(self.context, notice.subscription_id, "error", reason)
        await self.outbox.bury(notice.subscription_id)
        _log.warning("Subscription/%s is in error: %s", notice.subscription_id, reason)


async def _wait(collected: Signal) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(LOOK_SECONDS):
            await collected.wait()
