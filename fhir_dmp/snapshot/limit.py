"""What a snapshot may cost: limits far beyond any published profile, so that a hostile one ends in a clear error."""

from __future__ import annotations

from fhir_dmp.outcome import Category, FhirError, error

MAX_ELEMENTS = 50_000
"""Elements of one definition; the largest published snapshot has about 1,500."""

MAX_LEVELS = 25
"""Elements within elements in one path; the deepest published one has 12."""

MAX_ANCESTORS = 50
"""Definitions from a profile down to the type it constrains."""

MAX_WAITING = 6
"""Definitions that wait for the snapshot of one they walk into. With MAX_LEVELS it bounds the recursion."""


def refuse_size(subject: str) -> FhirError:
    """Builds the error for a definition with too many elements."""
    return error(Category.TOO_COSTLY, "snapshot-too-large", f"{subject} more than {MAX_ELEMENTS} elements.")
