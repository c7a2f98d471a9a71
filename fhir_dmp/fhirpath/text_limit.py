"""The longest text that an expression may make: each step of one can double what the last one made."""

from __future__ import annotations

from fhir_dmp.fhirpath.fault import EvaluationError

MAX_TEXT = 1_000_000
"""Characters of a text that is put together; texts of the resource itself may be longer."""


def check_length(length: int) -> None:
    """Raises EvaluationError for a text that would be too long."""
    if length > MAX_TEXT:
        raise EvaluationError(f"it makes a text of more than {MAX_TEXT} characters")


def concatenate(one: str, other: str) -> str:
    """Returns two texts as one."""
    if one and other:
        check_length(len(one) + len(other))
    return one + other
