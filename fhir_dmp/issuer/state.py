"""GrantState: what the authorisation server has to remember between requests, and shares with other workers."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import JsonObject


class Item(Enum):
    """What is remembered."""

    REQUEST = "request"
    """An authorisation that a user was asked for, and has not decided."""
    CODE = "code"
    REFRESH = "refresh"
    ASSERTION = "assertion"
    """The `jti` of an assertion: it is good once."""
    REVOKED = "revoked"
    """A token's `jti`, or the session of several."""


class GrantState(Protocol):
    """Remembers items until they expire. Keys are secrets: an implementation keeps no more than their digests."""

    async def put(self, item: Item, key: str, value: JsonObject, expires_at: Milliseconds, now: Milliseconds) -> bool:
        """Remembers something, and tells whether it was new: what is there already stays as it is."""

    async def take(self, item: Item, key: str, now: Milliseconds) -> JsonObject | None:
        """Returns something that has not expired nor been taken: only one of those who ask at once gets it."""

    async def find(self, item: Item, key: str, now: Milliseconds) -> JsonObject | None:
        """Returns something that has not expired, taken or not."""
