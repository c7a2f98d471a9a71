"""What a snapshot may cost: limits far beyond any published profile, so that a hostile one ends in a clear error."""

from __future__ import annotations

from fhir_dmp.outcome import Category, FhirError, error

MAX_ELEMENTS = 50_000
"""Elements of one definition; the largest published snapshot has about 1,500."""

MAX_LEVELS = 100
"""Elements within elements, counted through every definition that is being worked on."""

MAX_ANCESTORS = 50
"""Definitions from a profile down to the type it constrains."""


def refuse_size(subject: str) -> FhirError:
    """Builds the error for a definition with too many elements."""
    return error(Category.TOO_COSTLY, "snapshot-too-large", f"{subject} more than {MAX_ELEMENTS} elements.")


def refuse_depth(path: str) -> FhirError:
    """Builds the error for elements that nest too deeply."""
    return error(
        Category.TOO_COSTLY, "snapshot-too-deep", f"{path[:200]}: elements nest deeper than {MAX_LEVELS} levels."
    )
