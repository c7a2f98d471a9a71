"""Answer: how much a Bundle's entries may answer together. What each may is bounded, not what 10,000 of them may."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fhir_dmp.interactions.entry import Entry
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.outcome import Category, error

MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of the resources in the answer to a batch or transaction, from which on no entry is read any more."""

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(slots=True)
class Answer:
    """The answer to one Bundle, which has so many bytes already."""

    size: int = 0

    def admit(self, entry: Entry) -> Request:
        """Returns what to ask for an entry: a write is done in any case, but answers with nothing once it is full.

        Raises FhirError for whatever else comes then: before it is read, so that nobody's trace says that it was.
        """
        if self.size < MAX_ANSWER:
            return entry.request
        if entry.method in _WRITES and entry.shape in {"[type]", "[type]/[id]"}:
            return replace(entry.request, returns="minimal")
        message = f"The entries before it answered with {MAX_ANSWER:,} bytes, and more are not told at once: ask again."
        raise error(Category.TOO_COSTLY, "answer-too-large", message)

    def add(self, entry: Entry, result: Result) -> None:
        """Counts what an entry answered with."""
        content = result.version.content if result.version and result.returns == "representation" else None
        if entry.method != "HEAD":
            self.size += len(result.body or content or b"")
