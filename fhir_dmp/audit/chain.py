"""The chain of events and the chain of anchors: what makes a trace that was tampered with show it. No part of FHIR.

Each writer (a worker process, from its start to its end) has a chain of its own, so writers never wait for one another.
The id of an event is its chain and its number in it; its hash is SHA-256(hash of the one before ‖ its JSON as stored).

Anchors tie the chains together. There is one chain of anchors: anchor k names a chain, how many events it had, and the
hash of the last of them; its own hash covers these and the hash of anchor k - 1. The first anchor of a chain, with no
event yet, is where the chain begins: its hash stands before that of event 1. So whoever knows one anchor's hash can
prove all that was anchored before it, whoever wrote it (docs/decisions/0016-audit.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import write_json

Hash = bytes
"""32 bytes of SHA-256."""

ORIGIN: Hash = bytes(32)
"""What stands before the first anchor."""

_EVENT_ID = re.compile(r"([0-9a-f]{12})-([0-9]{12})")


@dataclass(frozen=True, slots=True)
class Head:
    """The last event of a chain: its number, from 1 on (0: none yet), and its hash (then that of the first anchor)."""

    chain: str
    number: int
    hash: Hash


@dataclass(frozen=True, slots=True)
class Anchor:
    """Anchor `number`, from 1 on: that a chain had so many `events`, the last of them with the hash `head`."""

    number: int
    chain: str
    events: int
    head: Hash
    at: Milliseconds
    hash: Hash

    def __str__(self) -> str:
        """Returns what has to be known elsewhere to prove the trace up to here: `number:hash`."""
        return f"{self.number}:{self.hash.hex()}"


def build_anchor(previous: Anchor | None, head: Head, at: Milliseconds) -> Anchor:
    """Builds the anchor after `previous` (None: the first); that of a chain without events names no hash."""
    number = previous.number + 1 if previous else 1
    named = head.hash if head.number else b""
    return Anchor(number, head.chain, head.number, named, at, hash_anchor(previous, head, number, at))


def hash_anchor(previous: Anchor | None, head: Head, number: int, at: Milliseconds) -> Hash:
    """Returns the hash of an anchor with these contents after `previous`."""
    named = head.hash.hex() if head.number else ""
    content = write_json([number, head.chain, head.number, named, at])
    return sha256((previous.hash if previous else ORIGIN) + content).digest()


def hash_event(before: Hash, content: bytes) -> Hash:
    """Returns the hash of an event: `before` is that of the one before it, or of the chain's first anchor."""
    return sha256(before + content).digest()


def write_event_id(chain: str, number: int) -> str:
    """Returns the id of an event; ids of a chain sort by number."""
    return f"{chain}-{number:012d}"


def parse_event_id(resource_id: str) -> tuple[str, int] | None:
    """Returns chain and number of an event's id, or None for an id that no writer gave."""
    found = _EVENT_ID.fullmatch(resource_id)
    return (found[1], int(found[2])) if found else None
