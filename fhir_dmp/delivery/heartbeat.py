"""Heartbeats: a subscriber who asked for it hears something at least so often, also where nothing happens.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/notifications.html#heartbeats. One that does not arrive is no
fault: the next one comes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fhir_dmp.delivery.audience import Audience
from fhir_dmp.instant import Milliseconds


@dataclass(slots=True)
class Silence:
    """Since when each subscription has heard nothing, as far as this worker knows."""

    since: dict[str, Milliseconds] = field(default_factory=dict)

    def heard(self, subscription_id: str, now: Milliseconds) -> None:
        """Is told that something was sent."""
        self.since[subscription_id] = now

    def too_long(self, audience: Audience, now: Milliseconds) -> list[str]:
        """Returns the subscriptions that have to hear something now."""
        return [
            name
            for name, seconds in audience.heartbeats.items()
            if now - self.since.setdefault(name, now) >= seconds * 1000
        ]
