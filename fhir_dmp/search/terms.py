"""Terms: what a search asks of terminology, https://hl7.org/fhir/R4/search.html#token. Terminology answers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from fhir_dmp.outcome import Category, FhirError, error


class Terms(Protocol):
    """Lists of codes, each whole: what cannot be listed raises FhirError with the reason."""

    def members(self, value_set: str, limit: int) -> Sequence[tuple[str, str]]:
        """Returns the codes of a value set as (system, code), at most `limit`."""

    def narrower(self, system: str, code: str) -> Sequence[str]:
        """Returns a code and those it subsumes."""

    def wider(self, system: str, code: str) -> Sequence[str]:
        """Returns a code and those that subsume it."""


class NoTerms:
    """Where no terminology is at hand, no code can be listed."""

    def members(self, _value_set: str, _limit: int) -> Sequence[tuple[str, str]]:
        """Raises FhirError."""
        raise _absent()

    def narrower(self, _system: str, _code: str) -> Sequence[str]:
        """Raises FhirError."""
        raise _absent()

    def wider(self, _system: str, _code: str) -> Sequence[str]:
        """Raises FhirError."""
        raise _absent()


def _absent() -> FhirError:
    message = "Modifiers that ask for the codes of a value set or hierarchy are not supported here."
    return error(Category.INVALID_PARAMETER, "parameter-modifier", message)


NO_TERMS: Terms = NoTerms()


def refuse(fault: FhirError, expression: str) -> FhirError:
    """Returns the refusal of a parameter whose terms cannot be listed: what is not found is not what the URL names."""
    category = Category.INVALID_PARAMETER if fault.category is Category.NOT_FOUND else fault.category
    return FhirError(category, *(replace(issue, expression=expression) for issue in fault.issues))
