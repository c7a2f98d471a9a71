"""What decides access, kept between requests. A state is used again only where nothing can have changed since.

The directory (who works where) changes rarely and is read anew after CLOSURE_MILLISECONDS, or at once after a write of
this process. Of Consents and Patients, which count from the next request on, a change is told to this process before it
is acknowledged, while it keeps vigil (docs/decisions/0019-vigil.md); while it does not, their versions are asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from functools import lru_cache
from typing import TypeAlias

from fhir_dmp.access.closure import Closure
from fhir_dmp.access.record import RecordState
from fhir_dmp.access.requester import Requester
from fhir_dmp.instant import Milliseconds
from fhir_dmp.interactions.decided import Decisions
from fhir_dmp.interactions.recent import Recent
from fhir_dmp.store.port import Stamps
from fhir_dmp.watch import end

CLOSURE_MILLISECONDS = 5_000
AGEING_MILLISECONDS = 4_000
"""From when on a closure is read anew while it is still good, so that of those who ask all the time nobody waits."""
STATES, CLOSURES, OPEN = 20_000, 5_000, 200
DIRECTORY = frozenset({"Practitioner", "PractitionerRole", "Organization", "CareTeam", "Group"})
"""The types that a closure is made of."""

Who: TypeAlias = tuple[str, str, str, str, str]


def never() -> bool:
    """The vigil of a process that keeps none."""
    return False


class AccessCache:
    """The closures, record states and decisions of one process."""

    def __init__(self) -> None:
        """Knows nothing yet."""
        self._closures: Recent[Who, tuple[Closure, Milliseconds]] = Recent(CLOSURES)
        self._reading: dict[Who, asyncio.Task[Closure]] = {}
        self._renewing: set[asyncio.Task[Closure]] = set()
        self._states: Recent[str, tuple[RecordState, Stamps]] = Recent(STATES)
        self._sources: Recent[str, str] = Recent(STATES * 10)
        """The patient in whose state a resource is."""
        self._open: Recent[Closure, tuple[tuple[str, ...], int]] = Recent(OPEN)
        self.decisions = Decisions()
        self.is_told: Callable[[], bool] = never
        """Tells whether `forget_record` has been told of everything that was acknowledged until now."""
        self.changes = 0
        """How often `forget_record` was told: what is read meanwhile may be older."""

    def closure(self, requester: Requester, now: Milliseconds) -> tuple[Closure, bool] | None:
        """Returns the closure of a requester, and whether it is ageing; None where it was read too long ago.

        Or before the time of a role began or ended.
        """
        closure, read_at = self._closures.get(_who(requester)) or (None, now)
        age = now - read_at
        if closure is None or not 0 <= age < CLOSURE_MILLISECONDS or now >= closure.until:
            return None
        return closure, age >= AGEING_MILLISECONDS

    def renew_closure(
        self, requester: Requester, read: Callable[[Requester], Coroutine[None, None, Closure]], now: Milliseconds
    ) -> None:
        """Begins to read a closure that is ageing. Where that fails, the first who finds it too old reads it."""
        if _who(requester) not in self._reading:
            task = asyncio.create_task(self.find_closure(requester, read, now))
            self._renewing.add(task)
            task.add_done_callback(self._end_renewal)

    def _end_renewal(self, task: asyncio.Task[Closure]) -> None:
        self._renewing.discard(task)
        if not task.cancelled():
            task.exception()

    async def close(self) -> None:
        """Ends what is still being read."""
        for task in (*self._renewing, *self._reading.values()):
            await end(task)

    async def find_closure(
        self, requester: Requester, read: Callable[[Requester], Coroutine[None, None, Closure]], now: Milliseconds
    ) -> Closure:
        """Returns a closure that is read now, or that others are waiting for; and keeps it."""
        who = _who(requester)
        reading = self._reading.get(who)
        if reading is None:
            reading = self._reading[who] = asyncio.create_task(read(requester))
        try:
            # of several who wait, one that gives up stops nobody else
            closure = await asyncio.shield(reading)
        finally:
            # unless the directory was written meanwhile: then it was forgotten, and nobody waits for it any more
            is_current = self._reading.get(who) is reading
            if is_current and reading.done():
                del self._reading[who]
        if is_current:
            self._closures.put(who, (closure, now))
        return closure

    def state(self, patient: str, stamps: Stamps) -> RecordState | None:
        """Returns the state of a record, None where it was read from other versions than these."""
        found = self._states.get(patient)
        return found[0] if found and found[1] == stamps else None

    def current_state(self, patient: str) -> RecordState | None:
        """Returns the state of a record, None where it has to be read. Only for who asked `is_told` just before."""
        found = self._states.get(patient)
        return found[0] if found else None

    def keep_state(self, state: RecordState, stamps: Stamps, changes: int) -> None:
        """Keeps a state that was read from versions not older than these, since `changes` were told."""
        if changes != self.changes:
            return
        self._states.put(state.patient_id, (state, stamps))
        for reference, _ in stamps:
            self._sources.put(reference, state.patient_id)

    def open_to(self, closure: Closure) -> tuple[str, ...] | None:
        """Returns the patients who name one of a party, None where they have to be looked for."""
        found = self._open.get(closure) if self.is_told() else None
        return found[0] if found and found[1] == self.changes else None

    def keep_open_to(self, closure: Closure, patients: tuple[str, ...], changes: int) -> None:
        """Keeps who was found to name one of a party, since `changes` were told."""
        self._open.put(closure, (patients, changes))

    def forget_record(self, reference: str, patient: str | None) -> None:
        """Is told that `Type/id` was written ("": any may have been), and the patient in whose record it is now."""
        self.changes += 1
        if reference:
            former = self._sources.get(reference)
            for name in {former, patient} - {None}:
                self._states.drop(name or "")
        else:
            self._states.clear()
            self._sources.clear()

    def forget(self, resource_types: Collection[str]) -> None:
        """Is told what types were written here."""
        if not DIRECTORY.isdisjoint(resource_types):
            self._closures.clear()
            self._reading.clear()


@lru_cache(maxsize=CLOSURES)
def _who(requester: Requester) -> Who:
    return requester.kind.value, requester.rpps, requester.organization, requester.reference, requester.patient_id
