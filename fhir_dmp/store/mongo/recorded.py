"""Events that are recorded and not yet filed (filing.py), as documents; and which of them a read asks for. Pure.

recorded  _id the chain and number of the first (`1f0c…-000000000042`) · to those of the last · pt the patients' ids
          · e the events in their order, of each: b content · lu · h its hash
          · stuck where another document stands in the place of one of them
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_dmp.audit.chain import Hash, parse_event_id, write_event_id
from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import JsonObject
from fhir_dmp.resource import Identity, Version
from fhir_dmp.search.confines import may_be_of, patients_in
from fhir_dmp.search.query import And, Clause
from fhir_dmp.store.mongo.filter import Filter

Document = dict[str, Any]

EVENT = "AuditEvent"
EVERYTHING: Filter = {}
_LAST_OF_TEXTS = "~"
"""Comes after whatever an id has."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event, stamped, as it is recorded: its version, and the hash that ties it to the event before."""

    version: Version
    hash: Hash
    patients: frozenset[str] = frozenset()


def build_recorded(events: Sequence[Recorded]) -> Document:
    """Builds the document of events that follow one another in a chain."""
    ids = [event.version.identity.resource_id for event in events]
    rows = [{"b": event.version.content, "lu": event.version.last_updated, "h": event.hash} for event in events]
    patients = sorted(frozenset[str]().union(*(event.patients for event in events)))
    return {"_id": ids[0], "to": ids[-1], "pt": patients, "e": rows}


def parse_recorded(document: Document) -> Iterator[Recorded]:
    """Yields the events of a document."""
    chain, first = parse_event_id(document["_id"]) or ("", 0)
    for place, row in enumerate(document["e"]):
        identity = Identity(EVENT, write_event_id(chain, first + place))
        yield Recorded(Version(identity, 1, row["lu"], "POST", row["b"]), row["h"])


def patients_of(event: JsonObject) -> frozenset[str]:
    """Returns the ids of the Patients to whom an event of ours refers as its entities."""
    links = [row["what"].get("reference", "") for row in event.get("entity", ()) if "what" in row]
    return frozenset(link.split("/")[1] for link in links if link.startswith("Patient/"))


def of_chain(chain: str) -> Filter:
    """Returns the filter of what is recorded in a chain."""
    return {"_id": {"$gt": chain, "$lt": chain + _LAST_OF_TEXTS}}


def recorded_before(moment: Milliseconds, but_of: Iterable[str]) -> Filter:
    """Returns the filter of what was recorded before a time, but for what is in some chains."""
    others = [of_chain(chain) for chain in but_of]
    return {"e.0.lu": {"$lt": moment}, **({"$nor": others} if others else {})}


def sought_by_id(identities: Iterable[Identity]) -> Filter | None:
    """Returns the filter of the documents with these events; None where none of the identities is an event's."""
    ids = [name for resource_type, name in identities if resource_type == EVENT]
    places = [(name, found[0]) for name in ids if (found := parse_event_id(name))]
    if not places:
        return None
    return {"$or": [{"_id": {"$gt": chain, "$lte": name}, "to": {"$gte": name}} for name, chain in places]}


def sought(resource_types: Sequence[str], *clauses: Clause) -> Filter | None:
    """Returns the filter of the documents with events that a search may find: of which all the clauses may be true.

    None where it finds none, as is so of nearly all; of no `resource_types` it ranges over all.
    """
    if resource_types and EVENT not in resource_types:
        return None
    clause = And(clauses)
    return about(patients_in(clause)) if may_be_of(clause, EVENT) else None


def about(patients: Iterable[str] | None) -> Filter:
    """Returns the filter of the documents with events about these patients; about whomsoever, where None."""
    return EVERYTHING if patients is None else {"pt": {"$in": sorted(patients)}}
