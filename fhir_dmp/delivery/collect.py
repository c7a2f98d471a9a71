"""What is written becomes notices: of each version, for every subscription whose criteria it meets.

Whether its subscriber may see it is not asked here, but when it is sent.
"""

from __future__ import annotations

from asyncio import Event as Signal
from contextlib import aclosing
from dataclasses import dataclass, field

from fhir_dmp.access.inquiry import SUBSCRIPTION
from fhir_dmp.access.requester import SERVER
from fhir_dmp.delivery.audience import Audience
from fhir_dmp.delivery.subscriptions import find_listening, find_subscription, load_audience
from fhir_dmp.instant import Milliseconds
from fhir_dmp.interactions.authorisation import facts_of
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.request import Request
from fhir_dmp.search.facts import Facts
from fhir_dmp.search.match import matches
from fhir_dmp.store.event_port import Events, Notice, Place, Written

KEEP_EVERY: Milliseconds = 10_000
"""How often the place in the stream is kept where nothing concerns anybody."""


@dataclass(slots=True)
class Collecting:
    """The collecting of one worker; `collected` is set whenever something came in."""

    context: Context
    events: Events
    collected: Signal
    audience: Audience = field(default_factory=Audience)
    kept_at: Milliseconds = 0

    async def run(self) -> None:
        """Fills the outbox, until it is cancelled."""
        while True:
            # the place first: a Subscription that is written meanwhile is an event itself
            await self.events.begin()
            self.audience = await load_audience(self.context)
            await self._follow(self.audience.resource_types)

    async def _follow(self, resource_types: frozenset[str]) -> None:
        """Returns when other types have to be followed."""
        async with aclosing(self.events.follow(resource_types)) as stream:
            async for written, place in stream:
                await self._take(written, place)
                if self.audience.resource_types != resource_types:
                    return

    async def _take(self, written: Written | None, place: Place) -> None:
        is_own = written is not None and written.identity.resource_type == SUBSCRIPTION
        notices = await self._find_notices(written) if written else []
        if notices or is_own or self.context.now() - self.kept_at >= KEEP_EVERY:
            await self.events.keep(place, notices)
            self.kept_at = self.context.now()
        if notices:
            self.collected.set()
        if written and is_own:
            await self._listen_anew(written.identity.resource_id)

    async def _listen_anew(self, subscription_id: str) -> None:
        """Of a Subscription that was written counts what it is now."""
        row = await find_listening(self.context, subscription_id)
        if row:
            self.audience.put(row)
        else:
            self.audience.remove(subscription_id)

    async def _find_notices(self, written: Written) -> list[Notice]:
        if written.identity.resource_type == SUBSCRIPTION:
            stored = await find_subscription(self.context, written.identity.resource_id)
            return [Notice(written.identity.resource_id, written)] if stored and stored.awaits_handshake else []
        listening = list(self.audience.find(written))
        facts = await _read_facts(self.context, written) if listening else None
        return [Notice(row.subscription_id, written) for row in listening if facts and matches(row.clause, facts)]


async def _read_facts(context: Context, written: Written) -> Facts | None:
    """The facts of a version; of a deletion those of what was deleted."""
    number = written.version_id - (written.method == "DELETE")
    everything = await open_gate(
        context, Request(SERVER, written.identity.resource_type), "vread", identities=(written.identity,)
    )
    version = await context.reader.read_version(written.identity, number, everything)
    return facts_of(context, version)
