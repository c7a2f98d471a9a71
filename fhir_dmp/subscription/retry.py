"""When a notification that did not arrive is sent again, and when it is given up."""

from __future__ import annotations

from fhir_dmp.instant import Milliseconds

ATTEMPTS = 14
"""After so many the notification is a dead letter and the Subscription's status `error`, after 2 h 40 min of pauses."""
_FIRST: Milliseconds = 5_000
_LONGEST: Milliseconds = 30 * 60_000


def pause_after(attempts: int) -> Milliseconds | None:
    """Returns how long to wait after so many failed attempts (at least 1); None where it is given up."""
    return None if attempts >= ATTEMPTS else min(_FIRST << (attempts - 1), _LONGEST)
