"""Whatever is changed in a random trace of several writers, the proof finds; it finds nothing in one left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fhir_dmp.audit.chain import Anchor, Head, build_anchor, hash_event, parse_event_id, write_event_id
from fhir_dmp.audit.proof import Proof, StoredEvent, check_anchors
from fhir_dmp.json_text import write_json


@dataclass
class Trail:
    """What a database holds of a trace."""

    anchors: list[Anchor]
    events: list[StoredEvent]

    def findings(self, known: str = "") -> list[str]:
        """What the proof says, as `fhir-dmp verify` asks for it."""
        proof = Proof(self.anchors)
        found = list(check_anchors(self.anchors, known))
        for event in sorted(self.events, key=lambda event: event.resource_id):
            found += proof.follow(event)
        return [str(finding) for finding in [*found, *proof.finish()]]

    def rehash(self, chain: str) -> None:
        """Makes the hashes of a chain right again, as one who knows how they are made would."""
        before = next(anchor.hash for anchor in self.anchors if anchor.chain == chain and not anchor.events)
        for place, event in enumerate(self.events):
            if event.resource_id.startswith(chain):
                before = hash_event(before, event.content)
                self.events[place] = replace(event, hash=before)

    def rebuild_anchors(self) -> None:
        """Makes all anchors right again, too."""
        hashes = {event.resource_id: event.hash for event in self.events}
        previous, fresh = None, []
        for anchor in self.anchors:
            head = Head(anchor.chain, anchor.events, hashes.get(write_event_id(anchor.chain, anchor.events), b""))
            previous = build_anchor(previous, head, anchor.at)
            fresh.append(previous)
        self.anchors = fresh


def content_of(resource_id: str, text: str) -> bytes:
    return write_json({"resourceType": "AuditEvent", "id": resource_id, "outcomeDesc": text})


@st.composite
def trails(draw: st.DrawFn, least: int = 1) -> Trail:
    """Writers that record a few events at a time, and anchor now and then and at their end."""
    writers = draw(st.integers(1, 3))
    chains = [f"{number:012x}" for number in draw(st.permutations(range(writers)))]
    trail, heads = Trail([], []), dict[str, Head]()

    def anchor(head: Head) -> Anchor:
        trail.anchors.append(build_anchor(trail.anchors[-1] if trail.anchors else None, head, len(trail.anchors)))
        return trail.anchors[-1]

    for chain in chains:
        heads[chain] = Head(chain, 0, anchor(Head(chain, 0, b"")).hash)
    steps = draw(
        st.lists(st.tuples(st.sampled_from(chains), st.integers(1, 3), st.booleans()), min_size=least, max_size=8)
    )
    for chain, count, is_anchored in steps:
        for _ in range(count):
            head = heads[chain]
            resource_id = write_event_id(chain, head.number + 1)
            content = content_of(resource_id, draw(st.text(max_size=3)))
            heads[chain] = Head(chain, head.number + 1, hash_event(head.hash, content))
            trail.events.append(StoredEvent(resource_id, content, heads[chain].hash))
        if is_anchored:
            anchor(heads[chain])
    for chain in chains:
        if heads[chain].number:
            anchor(heads[chain])
    return trail


def chain_of(event: StoredEvent) -> str:
    place = parse_event_id(event.resource_id)
    assert place
    return place[0]


def pick(trail: Trail, draw: st.DataObject) -> int:
    return draw.draw(st.integers(0, len(trail.events) - 1))


def remove_events(trail: Trail, data: st.DataObject) -> None:
    doomed = data.draw(st.sets(st.integers(0, len(trail.events) - 1), min_size=1))
    trail.events = [event for place, event in enumerate(trail.events) if place not in doomed]


def cut_tail(trail: Trail, data: st.DataObject) -> None:
    chain = chain_of(trail.events[pick(trail, data)])
    own = [event for event in trail.events if chain_of(event) == chain]
    kept = data.draw(st.integers(0, len(own) - 1))
    trail.events = [event for event in trail.events if event not in own[kept:]]


def alter_content(trail: Trail, data: st.DataObject) -> None:
    place = pick(trail, data)
    event = trail.events[place]
    changed = content_of(event.resource_id, data.draw(st.text(max_size=3)))
    assume(changed != event.content)
    trail.events[place] = replace(event, content=changed)


def garble_content(trail: Trail, data: st.DataObject) -> None:
    place = pick(trail, data)
    garbage = data.draw(st.binary(max_size=20))
    trail.events[place] = replace(trail.events[place], content=garbage)


def alter_hash(trail: Trail, data: st.DataObject) -> None:
    place = pick(trail, data)
    changed = data.draw(st.binary(max_size=32))
    assume(changed != trail.events[place].hash)
    trail.events[place] = replace(trail.events[place], hash=changed)


def swap_events(trail: Trail, data: st.DataObject) -> None:
    one, two = pick(trail, data), pick(trail, data)
    assume(one != two)
    first, second = trail.events[one], trail.events[two]
    trail.events[one] = replace(second, resource_id=first.resource_id)
    trail.events[two] = replace(first, resource_id=second.resource_id)


def swap_and_rename(trail: Trail, data: st.DataObject) -> None:
    one, two = pick(trail, data), pick(trail, data)
    first, second = trail.events[one], trail.events[two]
    texts = [event.content.replace(event.resource_id.encode(), b"") for event in (first, second)]
    assume(texts[0] != texts[1])
    for place, here, there in ((one, first, second), (two, second, first)):
        content = there.content.replace(there.resource_id.encode(), here.resource_id.encode())
        trail.events[place] = StoredEvent(here.resource_id, content, there.hash)


def rewrite_chain(trail: Trail, data: st.DataObject) -> None:
    alter_content(trail, data)
    for chain in {chain_of(event) for event in trail.events}:
        trail.rehash(chain)


def add_foreign_event(trail: Trail, data: st.DataObject) -> None:
    resource_id = data.draw(st.sampled_from(["zzz", "0" * 12, f"{'f' * 12}-{1:012d}", f"{'0' * 12}-{0:012d}"]))
    trail.events.append(StoredEvent(resource_id, content_of(resource_id, ""), bytes(32)))


def remove_anchor(trail: Trail, data: st.DataObject) -> None:
    # the last one is known elsewhere only: see test_who_knows_an_anchor_...
    assume(len(trail.anchors) > 1)
    del trail.anchors[data.draw(st.integers(0, len(trail.anchors) - 2))]


def alter_anchor(trail: Trail, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(trail.anchors) - 1))
    anchor = trail.anchors[place]
    changed = data.draw(
        st.sampled_from(
            [
                replace(anchor, chain="f" * 12),
                replace(anchor, events=anchor.events + 1),
                replace(anchor, head=bytes(32)),
                replace(anchor, at=anchor.at + 1),
                replace(anchor, hash=bytes(32)),
            ]
        )
    )
    assume(changed.events or changed != replace(anchor, head=bytes(32)))
    trail.anchors[place] = changed


TAMPERINGS: list[Callable[[Trail, st.DataObject], None]] = [
    remove_events,
    cut_tail,
    alter_content,
    garble_content,
    alter_hash,
    swap_events,
    swap_and_rename,
    rewrite_chain,
    add_foreign_event,
    remove_anchor,
    alter_anchor,
]


@given(trails())
def test_trace_that_was_left_alone_is_proved(trail: Trail) -> None:
    assert trail.findings(str(trail.anchors[-1])) == []


@pytest.mark.parametrize("tamper", TAMPERINGS)
@given(trail=trails(), data=st.data())
def test_tampering_is_found(tamper: Callable[[Trail, st.DataObject], None], trail: Trail, data: st.DataObject) -> None:
    tamper(trail, data)
    assert trail.findings() != []


@given(trail=trails(), data=st.data())
def test_who_knows_an_anchor_finds_even_a_trace_that_was_written_anew(trail: Trail, data: st.DataObject) -> None:
    known = str(trail.anchors[-1])
    rewrite_chain(trail, data)
    trail.rebuild_anchors()
    assert trail.findings() == []
    assert trail.findings(known) != []


@given(trails(least=2))
def test_who_knows_an_anchor_finds_that_the_last_were_removed(trail: Trail) -> None:
    known = str(trail.anchors.pop())
    assert trail.findings(known) != []


def test_findings_name_the_place() -> None:
    chain = "0" * 12
    start = build_anchor(None, Head(chain, 0, b""), 0)
    events, before = [], start.hash
    for number in range(1, 8):
        resource_id = write_event_id(chain, number)
        content = content_of(resource_id, "")
        before = hash_event(before, content)
        events.append(StoredEvent(resource_id, content, before))
    trail = Trail([start, build_anchor(start, Head(chain, 7, before), 1)], events)
    del trail.events[6], trail.events[2:4]
    trail.events[0] = replace(trail.events[0], content=content_of(events[0].resource_id, "x"))
    assert trail.findings() == [
        f"AuditEvent/{chain}-{1:012d}: it, or the event before it, was altered",
        f"chain {chain}: events 3 to 4 are missing",
        f"chain {chain}: event 7 is missing",
    ]
