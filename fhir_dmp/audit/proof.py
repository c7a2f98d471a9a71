"""Proves a trace: follows the anchors and every chain, and names each place where they do not hold together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import orjson

from fhir_dmp.audit.chain import Anchor, Hash, Head, hash_anchor, hash_event, parse_event_id


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written: where, and what is wrong there."""

    place: str
    message: str

    def __str__(self) -> str:
        """Returns the line of a report."""
        return f"{self.place}: {self.message}"


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as the database holds it: its id, its JSON, and the hash beside it."""

    resource_id: str
    content: bytes
    hash: Hash


def check_anchors(anchors: Iterable[Anchor], known: str = "") -> Iterator[Finding]:
    """Yields what is wrong with the anchors, in their order; `known` is one that was kept elsewhere (`number:hash`)."""
    previous: Anchor | None = None
    texts = set()
    for anchor in anchors:
        expected = previous.number + 1 if previous else 1
        if anchor.number != expected:
            yield Finding("anchors", _missing(expected, anchor.number - 1, "anchor"))
        head = Head(anchor.chain, anchor.events, anchor.head)
        if anchor.hash != hash_anchor(previous, head, anchor.number, anchor.at) and anchor.number == expected:
            yield Finding(f"anchor {anchor.number}", "it, or the anchor before it, was altered")
        texts.add(str(anchor))
        previous = anchor
    if known and known not in texts:
        yield Finding(f"anchor {known.partition(':')[0]}", "it is not the one that you know: the trace was rewritten")


class Proof:
    """Follows the events of all chains, which have to come chain by chain and in the order of their ids."""

    def __init__(self, anchors: Iterable[Anchor]) -> None:
        """Takes the anchors that are known by now; `learn` adds later ones."""
        self._anchored: dict[str, dict[int, Anchor]] = {}
        self._begun: set[str] = set()
        self._head: Head | None = None
        self.events = 0
        self.learn(anchors)

    def learn(self, anchors: Iterable[Anchor]) -> None:
        """Adds anchors; those that are known already change nothing."""
        for anchor in anchors:
            self._anchored.setdefault(anchor.chain, {}).setdefault(anchor.events, anchor)

    def knows(self, event: StoredEvent) -> bool:
        """Tells whether an anchor says where the chain of an event begins."""
        place = parse_event_id(event.resource_id)
        return place is None or 0 in self._anchored.get(place[0], {})

    def follow(self, event: StoredEvent) -> Iterator[Finding]:
        """Yields what is wrong with the next event."""
        self.events += 1
        place = parse_event_id(event.resource_id)
        name = f"AuditEvent/{event.resource_id}"
        if place is None:
            yield Finding(name, "no writer of the trace gives such an id: it was put there")
            return
        yield from self._enter(place[0])
        if self._head is None:
            yield Finding(name, f"no anchor begins the chain {place[0]}: it was put there, or the anchor removed")
            self._head = Head(place[0], place[1], event.hash)
            return
        yield from self._compare(name, self._head, place[1], event)
        self._head = Head(place[0], place[1], event.hash)

    def finish(self) -> Iterator[Finding]:
        """Yields what is missing at the end, after the last event."""
        yield from self._leave()
        self._head = None
        for chain, anchors in self._anchored.items():
            if chain not in self._begun and max(anchors):
                yield Finding(f"chain {chain}", _missing(1, max(anchors), "event"))

    def _enter(self, chain: str) -> Iterator[Finding]:
        """Goes to the beginning of a chain, unless the last event was of it."""
        if self._head is not None and self._head.chain == chain:
            return
        yield from self._leave()
        self._begun.add(chain)
        first = self._anchored.get(chain, {}).get(0)
        self._head = Head(chain, 0, first.hash) if first else None

    def _leave(self) -> Iterator[Finding]:
        """Compares the end of the chain that was followed with the last anchor of it."""
        if self._head is None:
            return
        last = max(self._anchored.get(self._head.chain, {0: None}))
        if last > self._head.number:
            yield Finding(f"chain {self._head.chain}", _missing(self._head.number + 1, last, "event"))

    def _compare(self, name: str, before: Head, number: int, event: StoredEvent) -> Iterator[Finding]:
        if number != before.number + 1:
            yield Finding(f"chain {before.chain}", _missing(before.number + 1, number - 1, "event"))
        elif event.hash != hash_event(before.hash, event.content):
            yield Finding(name, "it, or the event before it, was altered")
        if _id_of(event.content) != event.resource_id:
            yield Finding(name, "its content is that of another event")
        anchor = self._anchored.get(before.chain, {}).get(number)
        if anchor and anchor.head != event.hash:
            yield Finding(name, f"anchor {anchor.number} knows another event here: the chain was rewritten")


def _id_of(content: bytes) -> str:
    """Returns the id in an event's JSON; the hash tells the rest of it apart."""
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        return ""
    return str(value.get("id")) if isinstance(value, dict) else ""


def _missing(first: int, last: int, noun: str) -> str:
    """`events 5 to 7 are missing`; anchors and events are numbered without a gap."""
    return f"{noun} {first} is missing" if first == last else f"{noun}s {first} to {last} are missing"
