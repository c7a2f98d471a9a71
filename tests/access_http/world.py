"""A random store: two patients' records with their past, the directory around them, and what points at it.

Each resource is a list of versions, the newest last; None is a deletion. Labels change from version to version, so what
is open now may have been hidden, and the other way round.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from fhir_dmp.access.consent import Reading
from fhir_dmp.resource import Identity, Version, build_deletion, build_version
from fhir_dmp.search.facts import Facts
from fhir_dmp.search.index import Indexer
from fhir_dmp.store.port import Change
from tests.strategies.access import BASE_URL, DIRECTORY, NOW, ZONE, coding, patient, reference
from tests.strategies.access_worlds import LABELS, make_consent, make_item, make_traits

Json = Any

READING = Reading(BASE_URL, ZONE)
HOUR = 3_600_000
EXPOSED_DIRECTORY = [row for row in DIRECTORY if row["resourceType"] != "Group"]
POINTING = ("List", "Composition", "Provenance", "Binary", "Condition", "AllergyIntolerance")
IDENTIFIERS = "urn:test:identifiers"


@dataclass(frozen=True, slots=True)
class World:
    """All that is stored: the versions of each resource."""

    pasts: Mapping[Identity, Sequence[Json | None]]

    def rows(self, *types: str) -> list[Json]:
        """The live resources of these types."""
        return [
            versions[-1]
            for identity, versions in self.pasts.items()
            if identity.resource_type in types and versions[-1] is not None
        ]


def make_world(random: Random) -> World:
    """Returns a store with about forty resources."""
    pasts: dict[Identity, list[Json | None]] = {}
    people = [patient(**make_traits(random)), _other_patient(random)]
    consents = [make_consent(random, f"c{number}") for number in range(random.randint(0, 3))]
    consents += [{**make_consent(random, "d0"), "patient": reference("Patient/q")}] if random.random() < 0.5 else []
    for row in [*EXPOSED_DIRECTORY, *people, *(_whole(consent, random) for consent in consents)]:
        pasts[Identity(row["resourceType"], row["id"])] = [row]
    for number in range(1, random.randint(8, 16)):
        made = make_item(random, number)
        if made["resourceType"] in {"Patient", "Organization"}:
            continue
        item = _whole({**made, "id": "sejour"} if made["resourceType"] == "Encounter" else made, random)
        pasts[Identity(item["resourceType"], item["id"])] = _past(random, item)
    known = [*map(str, pasts), "Observation/none", "DocumentReference/none", "Patient/none"]
    for number in range(random.randint(2, 5)):
        item = _whole(_pointing(random, f"z{number}", known), random)
        pasts[Identity(item["resourceType"], item["id"])] = _past(random, item)
    return World(pasts)


def _other_patient(random: Random) -> Json:
    row = {**patient(**make_traits(random)), "id": "q"}
    return row if random.random() < 0.5 else {**row, "generalPractitioner": [reference("Practitioner/petit")]}


def _past(random: Random, item: Json) -> list[Json | None]:
    """One to four versions; the labels of the earlier ones are others."""
    versions: list[Json | None] = [item]
    while random.random() < 0.35 and len(versions) < 3:
        versions.insert(0, _relabelled(random, item))
    if random.random() < 0.15:
        versions.append(None)
        if random.random() < 0.4:
            versions.append(_relabelled(random, item))
    return versions


def _relabelled(random: Random, item: Json) -> Json:
    meta = {key: value for key, value in item.get("meta", {}).items() if key != "security"}
    if random.random() < 0.6:
        meta["security"] = [coding(random.choice(LABELS))]
    return {**{key: value for key, value in item.items() if key != "securityLabel"}, "meta": meta}


def _pointing(random: Random, name: str, known: Sequence[str]) -> Json:
    """A resource that refers to others, hidden ones among them."""
    kind = random.choice(POINTING)
    about, target = reference("Patient/" + random.choice("ppq")), reference(random.choice(known))
    author = [reference(random.choice(("Practitioner/petit", "Practitioner/auteur", "Patient/p")))]
    item: Json = {"resourceType": kind, "id": name, "meta": {}}
    if random.random() < 0.2:
        item["meta"]["security"] = [coding(random.choice(LABELS))]
    match kind:
        case "List":
            return {**item, "status": "current", "mode": "working", "subject": about, "entry": [{"item": target}]}
        case "Composition":
            section = [{"title": "x", "entry": [target, reference(random.choice(known))]}]
            made = {"status": "final", "type": {"text": "x"}, "date": "2024-05-01", "title": "x"}
            return {**item, **made, "subject": about, "author": author, "section": section}
        case "Provenance":
            agent = [{"who": author[0]}]
            return {**item, "target": [target, about], "recorded": "2024-05-01T00:00:00Z", "agent": agent}
        case "Binary":
            return {**item, "contentType": "text/plain", "data": "aGk="}
        case "Condition":
            return {**item, "subject": about, "evidence": [{"detail": [target]}]}
    return {**item, "patient": about}


def _whole(item: Json, random: Random) -> Json:
    """Adds what R4 requires of a resource that a write will touch, and an identifier that criteria can ask for."""
    required: dict[str, Json] = {
        "Observation": {"status": "final"},
        "Encounter": {"status": "finished", "class": {"code": "AMB"}},
        "DocumentReference": {"status": "current", "content": [{"attachment": {"title": "x"}}]},
        "Consent": {"category": [{"text": "x"}], "policy": [{"uri": "urn:x"}]},
    }
    made = {**required.get(item["resourceType"], {}), **item}
    if item["resourceType"] in {"Observation", "Encounter", "DocumentReference", "Condition"}:
        made["identifier"] = [{"system": IDENTIFIERS, "value": random.choice("abcdef")}]
    return made


@dataclass(frozen=True, slots=True)
class Stored:
    """What a version becomes in the store: its change, and its facts, or those of what it ended."""

    change: Change
    facts: Facts


def build_stored(world: World, indexer: Indexer) -> dict[Identity, list[Stored]]:
    """Returns the versions of every resource as changes, in order. They were made hour by hour, until today."""
    return {
        identity: _build_versions(identity, versions, indexer, started=NOW - (30 + place) * HOUR)
        for place, (identity, versions) in enumerate(world.pasts.items())
    }


def _build_versions(
    identity: Identity, versions: Sequence[Json | None], indexer: Indexer, started: int
) -> list[Stored]:
    stored: list[Stored] = []
    previous: Version | None = None
    for number, content in enumerate(versions):
        now = started + number * 7 * HOUR
        facts = stored[-1].facts if stored else None
        if content is None:
            if previous is None or facts is None:
                raise AssertionError("a deletion follows something")
            change = Change(build_deletion(previous, now), previous, None, facts)
            stored.append(Stored(change, facts))
        else:
            made = json.loads(json.dumps(content))
            stamped, version = build_version(made, identity, previous, "PUT", now)
            own = indexer.facts(stamped)
            before = facts if previous and previous.content is not None else None
            stored.append(Stored(Change(version, previous, own, before), own))
        previous = stored[-1].change.version
    return stored
