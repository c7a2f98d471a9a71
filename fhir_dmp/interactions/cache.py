"""What decides access, kept between requests. A state is used again only where the store says that nothing changed.

The directory (who works where) changes rarely and is read anew after CLOSURE_MILLISECONDS, or at once after a write of
this process; Consents and Patients are asked for their versions each time, so that they count from the next request on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

from fhir_dmp.access.closure import Closure
from fhir_dmp.access.record import RecordState
from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.instant import Milliseconds
from fhir_dmp.store.port import Stamps

CLOSURE_MILLISECONDS = 5_000
STATES, CLOSURES = 20_000, 5_000
DIRECTORY = frozenset({"Practitioner", "PractitionerRole", "Organization", "CareTeam"})
"""The types that a closure is made of."""

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Who = tuple[Kind, str, str, str, str]


class Recent(Generic[Key, Value]):
    """The values that were used last, so many of them."""

    def __init__(self, most: int) -> None:
        """`most` is how many are kept."""
        self._most = most
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """Returns a value, None where it is not kept."""
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    def put(self, key: Key, value: Value) -> None:
        """Keeps a value in place of that which was used longest ago."""
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._most:
            self._values.popitem(last=False)

    def clear(self) -> None:
        """Forgets all."""
        self._values.clear()


class AccessCache:
    """The closures and record states of one process."""

    def __init__(self) -> None:
        """Knows nothing yet."""
        self._closures: Recent[Who, tuple[Closure, Milliseconds]] = Recent(CLOSURES)
        self._states: Recent[str, tuple[RecordState, Stamps]] = Recent(STATES)

    def closure(self, requester: Requester, now: Milliseconds) -> Closure | None:
        """Returns the closure of a requester, None where it was read too long ago."""
        found = self._closures.get(_who(requester))
        return found[0] if found and 0 <= now - found[1] < CLOSURE_MILLISECONDS else None

    def keep_closure(self, requester: Requester, closure: Closure, now: Milliseconds) -> None:
        """Keeps a closure that was read at this time."""
        self._closures.put(_who(requester), (closure, now))

    def state(self, patient: str, stamps: Stamps) -> RecordState | None:
        """Returns the state of a record, None where it was read from other versions than these."""
        found = self._states.get(patient)
        return found[0] if found and found[1] == stamps else None

    def keep_state(self, state: RecordState, stamps: Stamps) -> None:
        """Keeps a state that was read from versions not older than these."""
        self._states.put(state.patient_id, (state, stamps))

    def forget(self, resource_types: Collection[str]) -> None:
        """Is told what types were written here."""
        if not DIRECTORY.isdisjoint(resource_types):
            self._closures.clear()


def _who(requester: Requester) -> Who:
    return requester.kind, requester.rpps, requester.organization, requester.reference, requester.patient_id
