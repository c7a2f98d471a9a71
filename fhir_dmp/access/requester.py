"""Requester: who asks, as the token (or the open mode of a test server) says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a requester is; it decides which interactions he has at all."""

    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Requester:
    """The party behind a request. `name` identifies it in logs, cursors and audit."""

    kind: Kind
    name: str

    @property
    def may_choose_ids(self) -> bool:
        """Tells whether an update may create: a chosen id would let anyone else probe for hidden resources."""
        return self.kind is Kind.SYSTEM


OPEN = Requester(Kind.SYSTEM, "open")
"""Everyone, on a loopback server that was started without tokens."""

SERVER = Requester(Kind.SYSTEM, "server")
"""The server itself, when it stores the definitions it works with."""
