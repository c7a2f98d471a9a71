"""Who listens: the active subscriptions, found by what an event is of; how many others there are does not count."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fhir_dmp.access.inquiry import SUBSCRIPTION
from fhir_dmp.search.confines import patients_in
from fhir_dmp.search.query import Clause
from fhir_dmp.store.event_port import Written
from fhir_dmp.subscription.wanted import Wanted

_ANYBODY = ""
"""Where those listen whose criteria name no patient."""


@dataclass(frozen=True, slots=True)
class Listening:
    """An active subscription: what is written of a type and makes the clause true is an event of it."""

    subscription_id: str
    resource_type: str
    clause: Clause
    wanted: Wanted

    def hears(self, written: Written) -> bool:
        """Tells whether a version may be an event. A deletion is none of R4's criteria."""
        topic = self.wanted.topic
        return topic.hears(written.method, written.version_id) if topic else written.method != "DELETE"


@dataclass(slots=True)
class Audience:
    """All active subscriptions, by their ids."""

    rows: dict[str, Listening] = field(default_factory=dict)
    _places: dict[tuple[str, str], dict[str, Listening]] = field(default_factory=lambda: defaultdict(dict))
    _types: Counter[str] = field(default_factory=Counter)
    _beating: dict[str, int] = field(default_factory=dict)

    @property
    def resource_types(self) -> frozenset[str]:
        """What has to be followed: what they listen for, and themselves."""
        return frozenset({*self._types, SUBSCRIPTION})

    @property
    def heartbeats(self) -> Mapping[str, int]:
        """The longest silence, in seconds, of those that have one."""
        return self._beating

    def put(self, row: Listening) -> None:
        """Adds a subscription, in place of what it was."""
        self.remove(row.subscription_id)
        self.rows[row.subscription_id] = row
        self._types[row.resource_type] += 1
        if row.wanted.heartbeat:
            self._beating[row.subscription_id] = row.wanted.heartbeat
        for place in _places_of(row):
            self._places[place][row.subscription_id] = row

    def remove(self, subscription_id: str) -> None:
        """Forgets a subscription, if it is here."""
        row = self.rows.pop(subscription_id, None)
        if row is None:
            return
        self._types -= Counter([row.resource_type])
        self._beating.pop(subscription_id, None)
        for place in _places_of(row):
            self._places[place].pop(subscription_id)
            if not self._places[place]:
                del self._places[place]

    def find(self, written: Written) -> Iterator[Listening]:
        """Yields those that may be concerned by a version: whose criteria name its patient, or none."""
        kind = written.identity.resource_type
        for patient in {_ANYBODY, written.patient}:
            for row in self._places.get((kind, patient), {}).values():
                if row.hears(written):
                    yield row


def _places_of(row: Listening) -> Iterator[tuple[str, str]]:
    patients = patients_in(row.clause)
    for patient in (_ANYBODY,) if patients is None else patients:
        yield row.resource_type, patient
