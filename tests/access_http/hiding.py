"""What a requester may not see of a store, by `decide_item` on each version: no query has a part in it.

Kept although hidden: what decides access (Patients, Consents, who is in which team). Removing that would change the
question, not the answer; that it does not exist for the requester is tested apart, by twins (test_leak_channels.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from fhir_dmp.access.closure import build_closure
from fhir_dmp.access.decide import decide_item
from fhir_dmp.access.inquiry import Inquiry
from fhir_dmp.access.matrix import Matrix
from fhir_dmp.access.provision import related_targets
from fhir_dmp.access.record import RecordState, build_record
from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.access.scopes import parse_scopes
from fhir_dmp.resource import Identity
from fhir_dmp.search.facts import Facts
from fhir_dmp.search.query import Clause
from tests.access_http.world import READING, Stored, World
from tests.strategies.access import NOW

Json = Any

DECIDING = frozenset({
    "Patient", "Consent", "CareTeam", "Practitioner", "PractitionerRole", "Organization", "RelatedPerson",
})  # fmt: skip
_NOBODYS = RecordState("nobody")
_FEEDING = frozenset({Kind.PRACTITIONER, Kind.HOSPITAL, Kind.SYSTEM, Kind.ADMINISTRATOR})
"""Whoever may write into a record learns that there is one: his own writing is permitted there (CSP L1111-15)."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """Resources that are hidden with all their past, and single versions (number from 1) of others."""

    resources: frozenset[Identity]
    versions: frozenset[tuple[Identity, int]]

    def __len__(self) -> int:
        return len(self.resources) + len(self.versions)


Judge = Callable[[Facts], bool]


def build_judge(
    requester: Requester, world: World, matrix: Matrix, facts_of: Callable[[Json], Facts],
    search_clause: Callable[[str, Any], Clause], interaction: str = "read",
) -> Judge:  # fmt: skip
    """Returns the decision about what has these facts, asked alone."""
    closure = build_closure(requester, world.rows(*DECIDING), NOW, READING)
    scopes = None if requester.kind is Kind.SYSTEM else parse_scopes(requester.scopes, search_clause)
    inquiry = Inquiry(requester, closure, scopes, interaction, NOW)
    return partial(_is_shown, inquiry, build_states(world, facts_of), matrix)


def _is_shown(inquiry: Inquiry, states: Mapping[str, RecordState], matrix: Matrix, facts: Facts) -> bool:
    state = states.get(facts.patient or "", _NOBODYS)
    return decide_item(inquiry, state, matrix, facts).permitted


def build_states(world: World, facts_of: Callable[[Json], Facts]) -> dict[str, RecordState]:
    """Returns the state of each patient's record."""
    found = {}
    by_name = {str(identity): versions[-1] for identity, versions in world.pasts.items()}
    for row in world.rows("Patient"):
        own = [one for one in world.rows("Consent") if one["patient"]["reference"] == f"Patient/{row['id']}"]
        state = build_record(row, own, READING)
        targets = related_targets(state.directives)
        references = {name: _references(by_name.get(name), facts_of) for name in targets}
        found[row["id"]] = replace(state, references=references)
    return found


def _references(resource: Json | None, facts_of: Callable[[Json], Facts]) -> frozenset[str]:
    marks = facts_of(resource).security.marks if resource else ()
    return frozenset(mark.text for mark in marks if mark.kind == "reference")


def find_hidden(
    requester: Requester, world: World, stored: Mapping[Identity, Sequence[Stored]], is_shown: Judge
) -> Hidden:
    """Returns what can be removed: what is hidden and decides nothing."""
    kept = _needed(requester, world, stored, is_shown)
    resources, versions = set(), set()
    for identity, rows in stored.items():
        if identity in kept:
            continue
        if not is_shown(rows[-1].facts):
            resources.add(identity)
            continue
        versions |= {(identity, number) for number, row in enumerate(rows, 1) if not is_shown(row.facts)}
    return Hidden(frozenset(resources), frozenset(versions))


def _needed(
    requester: Requester, world: World, stored: Mapping[Identity, Sequence[Stored]], is_shown: Judge
) -> set[Identity]:
    """What decides access. Another's whole record decides nothing for who may not write in it either."""
    # a Binary that no document cites is whoever's that cites it first
    kept = {identity for identity in stored if identity.resource_type in {*DECIDING, "Binary"}}
    states = build_states(world, lambda _: Facts("", "", 0))
    targets = related_targets(directive for state in states.values() for directive in state.directives)
    kept |= {identity for identity in stored if str(identity) in targets}
    if requester.kind in _FEEDING:
        return kept
    others = {name for name in states if name != requester.patient_id}
    return {
        identity
        for identity in kept
        if not (stored[identity][-1].facts.patient in others and not is_shown(stored[identity][-1].facts))
    }
