"""Gathered: what one property of a resource holds, kept for the next resource that has it with the same value.

Codes, categories, subjects and, of an event of the audit trail, who asked recur from one resource to the next: to look
a property up by its JSON costs a tenth of what a walk through it does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fhir_dmp.json_text import Json, write_json
from fhir_dmp.search.found import Found
from fhir_dmp.search.security import Noticed


class Gathered(NamedTuple):
    """What search, access control and the search for words each know of some properties."""

    found: Found
    noticed: Noticed
    stems: set[str]

    def add(self, other: Gathered) -> None:
        """Adds what was gathered from another property."""
        self.found.add(other.found)
        self.noticed.add(other.noticed)
        self.stems.update(other.stems)


Gather = Callable[[str, Json, Gathered], None]
"""Adds what a property holds, by its name and value."""


class Keepsake:
    """Properties of one type that were gathered before: the last `most`, up to as many again."""

    def __init__(self, gather: Gather, most: int = 4096, longest: int = 4096) -> None:
        """Keeps what `gather` adds of a property; not of one whose JSON has over `longest` bytes."""
        self._gather = gather
        self._most = most
        self._longest = longest
        self._new: dict[tuple[str, bytes], Gathered] = {}
        self._old: dict[tuple[str, bytes], Gathered] = {}

    def find(self, name: str, value: Json) -> Gathered:
        """Returns what a property holds; it is kept, so nothing may be added to it."""
        try:
            key = (name, write_json(value))
        except TypeError:  # it is no JSON, as an integer of many digits: it has facts, and is not kept
            return self._find(name, value)
        found = self._new.get(key) or self._old.get(key) or self._find(name, value)
        if key not in self._new and len(key[1]) <= self._longest:
            self._keep(key, found)
        return found

    def _find(self, name: str, value: Json) -> Gathered:
        found = Gathered(Found(), Noticed(), set())
        self._gather(name, value, found)
        return found

    def _keep(self, key: tuple[str, bytes], gathered: Gathered) -> None:
        if len(self._new) >= self._most:
            self._old, self._new = self._new, {}
        self._new[key] = gathered
