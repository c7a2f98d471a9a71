"""The audit trail's port: what interactions need of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fhir_dmp.json_text import JsonObject


class AuditTrail(Protocol):
    """Where AuditEvents are kept for good: there is no way to change or remove one."""

    def expect(self) -> None:
        """Learns that an interaction began: what others record meanwhile may wait a moment for what it leaves."""
        ...

    def excuse(self) -> None:
        """Learns that an interaction that was expected ended: what it leaves, if anything, is recorded next."""
        ...

    async def record(self, events: Sequence[JsonObject]) -> Sequence[str]:
        """Stores events (without id and version); returns their ids when all are durable: then the answer may leave.

        Raises FhirError (unavailable) where they could not be stored; then nothing may be answered but that.
        """
        ...
