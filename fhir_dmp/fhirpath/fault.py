"""What can be wrong with an expression: in its text (FhirError at once) or while it is evaluated (EvaluationError).

An EvaluationError never leaves this package: compile.Program turns it into a FhirError that points into the text.
"""

from __future__ import annotations

from typing import NoReturn

from fhir_dmp.outcome import Category, FhirError, error

CODE = "fhirpath-invalid"
_EXCERPT = 24


class EvaluationError(Exception):
    """An expression cannot be evaluated on this input; the line of generated code that raised it has the position."""


def exhaust() -> NoReturn:
    """Raises EvaluationError: the budget is spent."""
    raise EvaluationError("it takes too many steps on this resource")


def expression_error(text: str, position: int, message: str) -> FhirError:
    """Builds the FhirError of a fault in an expression; `position` counts characters from 0."""
    start = max(0, position - _EXCERPT)
    before, after = text[start:position], text[position : position + _EXCERPT]
    place = f"character {position + 1}, at '{before}⏵{after}'" if text.strip() else "the text is empty"
    return error(Category.INVALID_PARAMETER, CODE, f"The FHIRPath expression is not acceptable: {message} ({place}).")
