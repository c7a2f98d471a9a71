"""Notices are sent: in order for each subscription, several subscriptions at a time, each decided when it goes.

A notice is numbered when it has arrived, so that what is hidden meanwhile leaves no gap. One that arrived, but of which
that could not be written down any more, is sent again under the same number.

A dead letter that is sent again comes after what was told since; where the endpoint holds a copy, which a later version
has reached, it is left out.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import Event as Signal
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from fhir_dmp.access.inquiry import SUBSCRIPTION
from fhir_dmp.delivery.audience import Audience
from fhir_dmp.delivery.heartbeat import Silence
from fhir_dmp.delivery.sight import see, trace
from fhir_dmp.delivery.subscriptions import Stored, find_subscription, set_status
from fhir_dmp.instant import Milliseconds, parse_instant
from fhir_dmp.interactions.context import Context
from fhir_dmp.json_text import parse_json_object, write_json
from fhir_dmp.outcome import FhirError
from fhir_dmp.resource import Version
from fhir_dmp.rest_hook import Receipt, RestHook
from fhir_dmp.store.event_port import Events, LeaseLost, Notice, Outbox
from fhir_dmp.subscription.channel import read_headers
from fhir_dmp.subscription.notification import Event, Kind, build_notification
from fhir_dmp.subscription.retry import pause_after
from fhir_dmp.subscription.shipment import Shipment, build_update
from fhir_dmp.watch import end
from fhir_dmp.xml.form import Forms
from fhir_dmp.xml.write import write_xml

LOOK_SECONDS = 1.0
"""How often the outbox is looked at where nothing came in: for what has to be tried again."""
_FOR_A_HANDSHAKE: Milliseconds = 1_000
"""How long a notice waits for it, where it is not in the outbox yet."""
_SURE: Milliseconds = 1_000
"""How long the lease is this worker's without a question; it lasts ten times as long."""
_STOPPED = frozenset({"requested", "error"})
"""The states in which nothing is sent, and nothing is lost."""
AT_ONCE = 32
"""Subscriptions that are sent to at the same time: a slow endpoint takes one place."""
_NOT_ALLOWED = "This server does not send notifications to that endpoint."
_FAILED = "The endpoint did not take a notification, although it was tried for hours."
_XML = "application/fhir+xml"
_log = logging.getLogger("fhir_dmp.delivery")


@dataclass(slots=True)
class Sending:
    """The sending of one worker. `places` are the subscriptions that are being sent to.

    `found` are notices that were due when the outbox was looked at last: it is looked at again when they are under way.
    """

    context: Context
    events: Events
    outbox: Outbox
    hook: RestHook
    forms: Forms
    audience: Callable[[], Audience] = Audience
    silence: Silence = field(default_factory=Silence)
    places: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    found: deque[Notice] = field(default_factory=deque)
    held_at: Milliseconds = -_SURE

    async def run(self, collected: Signal) -> None:
        """Sends what is due, until it is cancelled."""
        # another worker may have sent it meanwhile
        self.found.clear()
        self.held_at = -_SURE
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
        if len(self.places) >= AT_ONCE:
            return 0
        if not self.found:
            self.found.extend(await self.outbox.due(self.context.now(), list(self.places)))
        started = 0
        while self.found and len(self.places) < AT_ONCE:
            notice = self.found.popleft()
            # one whose subscription has a heartbeat under way is found again
            if notice.subscription_id not in self.places:
                self.places[notice.subscription_id] = asyncio.create_task(self._take(notice, done))
                started += 1
        self._start_heartbeats(done)
        return started

    def _start_heartbeats(self, done: Signal) -> None:
        now = self.context.now()
        for name in self.silence.too_long(self.audience(), now):
            if name not in self.places and len(self.places) < AT_ONCE:
                self.silence.heard(name, now)
                self.places[name] = asyncio.create_task(self._beat(name, done))

    async def _beat(self, subscription_id: str, done: Signal) -> None:
        try:
            stored = await find_subscription(self.context, subscription_id)
            if stored and stored.wanted.topic and self._is_on(stored):
                await self.greet(stored, "heartbeat")
        except Exception:  # noqa: BLE001  whatever went wrong, the next heartbeat may go right
            _log.exception("a heartbeat of Subscription/%s was not sent", subscription_id)
        finally:
            del self.places[subscription_id]
            done.set()

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
        await self._require_lease()
        if stored and notice.event.identity.resource_type == SUBSCRIPTION:
            await self._shake_hands(notice, stored)
            return
        if stored and stored.resource["status"] in _STOPPED:
            await self._keep_for_later(notice, stored)
            return
        shown = await self._find(notice, stored) if stored else None
        if stored is None or shown is None:
            await self.outbox.discard(notice)
            return
        if notice.attempts == 0:
            await trace(self.context, stored.subscriber.now, notice, shown)
        number = await self.outbox.told(notice.subscription_id) + 1
        if await self._settle(notice, await self._post(stored, self._build(stored, notice, shown, number))):
            self.silence.heard(notice.subscription_id, self.context.now())
            await self.outbox.deliver(notice, number)

    async def _require_lease(self) -> None:
        """Raises LeaseLost; does not ask again so soon that nobody can have taken it."""
        now = self.context.now()
        if not 0 <= now - self.held_at < _SURE:
            if not await self.events.hold(now):
                raise LeaseLost
            self.held_at = now

    async def _find(self, notice: Notice, stored: Stored) -> Version | None:
        """The version, if it is to be told now."""
        is_copied = stored.wanted.payload and not stored.wanted.topic
        if not self._is_on(stored) or (notice.is_revived and is_copied and await self.outbox.has_told_later(notice)):
            return None
        return await see(self.context, stored.subscriber.now, notice)

    async def _keep_for_later(self, notice: Notice, stored: Stored) -> None:
        """What came in while the subscription fell into error is a dead letter too; else the handshake comes first."""
        if stored.awaits_handshake:
            await self.outbox.postpone(notice, self.context.now() + _FOR_A_HANDSHAKE, has_failed=False)
        else:
            await self.outbox.bury(notice.subscription_id)

    async def _shake_hands(self, notice: Notice, stored: Stored) -> None:
        """A subscription to a topic is active when its endpoint has answered."""
        if not stored.awaits_handshake:
            await self.outbox.discard(notice)
        elif await self._settle(notice, await self.greet(stored, "handshake")):
            self.silence.heard(notice.subscription_id, self.context.now())
            await set_status(self.context, notice.subscription_id, "active")
            await self.outbox.deliver(notice, 0)

    async def greet(self, stored: Stored, kind: Kind) -> Receipt:
        """Sends a notification of no event."""
        events = await self.outbox.told(stored.resource["id"])
        return await self._post(stored, self._announce(stored, kind, events, []))

    def _is_on(self, stored: Stored) -> bool:
        ends = stored.wanted.ends
        return stored.resource["status"] == "active" and not (ends and parse_instant(ends, "end") <= self.context.now())

    def _build(self, stored: Stored, notice: Notice, shown: Version, number: int) -> Shipment:
        if not stored.wanted.topic:
            return build_update(stored.wanted, shown.identity, parse_json_object(shown.content or b""))
        return self._announce(stored, "event-notification", number, [Event(number, notice.event.at, shown)])

    def _announce(self, stored: Stored, kind: Kind, events: int, told: Sequence[Event]) -> Shipment:
        wanted, base_url = stored.wanted, self.context.base_url
        standing = stored.standing(events)
        bundle = build_notification(base_url, standing, kind, told, wanted.content, self.context.new_id())
        return Shipment("POST", wanted.endpoint, bundle)

    async def _post(self, stored: Stored, shipment: Shipment) -> Receipt:
        headers = read_headers(stored.subscriber.headers)
        if shipment.resource is None:
            return await self.hook.send(shipment.url, headers, b"", "", shipment.method)
        is_xml = stored.wanted.payload == _XML
        body = write_xml(shipment.resource, self.forms) if is_xml else write_json(shipment.resource)
        return await self.hook.send(shipment.url, headers, body, stored.wanted.payload, shipment.method)

    async def _settle(self, notice: Notice, receipt: Receipt) -> bool:
        """Tells whether it has arrived; what has not is tried again, or given up."""
        if receipt is Receipt.REFUSED:
            await self._give_up(notice, _NOT_ALLOWED)
        elif receipt is Receipt.FAILED:
            await self._try_again(notice)
        return receipt is Receipt.DELIVERED

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
