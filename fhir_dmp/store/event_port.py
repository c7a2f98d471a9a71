"""Events: what was written, in order and without gaps, for one worker at a time; and the outbox of what follows of it.

An event is taken into the outbox and the place in the stream moves on in one transaction: after a crash the next worker
goes on behind the last event that was taken.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import JsonObject
from fhir_dmp.resource import Identity, Method

Place = JsonObject
"""A place in the stream, which only the store can read."""


class LeaseLost(Exception):
    """Another worker has taken over."""


@dataclass(frozen=True, slots=True)
class Written:
    """A version that was written. `order` sorts events as texts.

    `patient` is whose record it is in, "" where in none: what a notice was kept of does not say it.
    """

    identity: Identity
    version_id: int
    method: Method
    at: Milliseconds
    order: str
    patient: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a subscription is to be told: of one version. `attempts` counts those that failed.

    `number` counts what the subscription was told, from 1 on; 0 until this has arrived. `is_revived` says that it was a
    dead letter.
    """

    subscription_id: str
    event: Written
    attempts: int = 0
    number: int = 0
    is_revived: bool = False

    @property
    def key(self) -> str:
        """The name of the notice: there is one of a version for a subscription."""
        return f"{self.subscription_id}/{self.event.identity}/{self.event.version_id}"


class Events(Protocol):
    """The stream. Every method may raise FhirError (unavailable)."""

    async def hold(self, now: Milliseconds) -> bool:
        """Takes the lease or prolongs it; tells whether this worker has it."""
        ...

    async def release(self) -> None:
        """Gives the lease back."""
        ...

    async def begin(self) -> None:
        """Keeps the present place where none is kept: whatever is written from now on will be followed."""
        ...

    def follow(self, resource_types: Collection[str]) -> AsyncGenerator[tuple[Written | None, Place], None]:
        """Yields what is written of these types, from the kept place on, each with the place behind it.

        None in place of an event where there was none for a while. Raises LeaseLost, and HistoryLost where the
        database remembers the kept place no more.
        """
        ...

    async def keep(self, place: Place, notices: Sequence[Notice]) -> None:
        """Puts notices into the outbox and keeps the place, both or neither; raises LeaseLost."""
        ...

    async def forget(self) -> None:
        """Drops the kept place, and keeps that events are lost: the next `follow` begins with what is written then."""
        ...

    async def has_lost(self) -> bool:
        """Tells whether it is kept that events are lost."""
        ...

    async def admit(self) -> None:
        """Says that all who had to know it have been told of the loss."""
        ...


class HistoryLost(Exception):
    """The kept place is older than what the database remembers: events are lost."""


class Outbox(Protocol):
    """The notices. Every method may raise FhirError (unavailable)."""

    async def due(self, now: Milliseconds, busy: Collection[str]) -> Sequence[Notice]:
        """Returns the first notice of each subscription that has one, where it is due; none of the busy ones.

        A handshake comes before what else there is.
        """
        ...

    async def told(self, subscription_id: str) -> int:
        """Returns how many notices a subscription was told."""
        ...

    async def sent(self, subscription_id: str, since: int, until: int, limit: int) -> Sequence[Notice]:
        """Returns notices that a subscription was told, with numbers from `since` to `until`, in order."""
        ...

    async def deliver(self, notice: Notice, number: int) -> None:
        """Says that a notice has arrived, as which number; of number 0 it is not counted."""
        ...

    async def discard(self, notice: Notice) -> None:
        """Forgets a notice of which the subscriber is to learn nothing."""
        ...

    async def postpone(self, notice: Notice, due: Milliseconds, *, has_failed: bool = True) -> None:
        """Says when the next attempt is due; one that failed is counted."""
        ...

    async def bury(self, subscription_id: str) -> None:
        """Makes all notices of a subscription dead letters, kept for a while."""
        ...

    async def revive(self, subscription_id: str) -> int:
        """Makes all dead letters of a subscription due, as if they had never been tried; returns how many."""
        ...

    async def has_told_later(self, notice: Notice) -> bool:
        """Tells whether the subscription was told of a later version of the same resource."""
        ...
