"""Gathered: what one property of a resource holds, kept for the next resource that has it with the same value."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fhir_dmp.json_text import Json
from fhir_dmp.recurring import Recurring, text_of
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
    """Properties of resources that were gathered before: the last `most`, up to as many again, whatever the types."""

    def __init__(self, most: int = 4096) -> None:
        """Keeps nothing yet."""
        self._kept: Recurring[tuple[str, str, bytes], Gathered] = Recurring(most)

    def find(self, resource_type: str, name: str, value: Json, gather: Gather) -> Gathered:
        """Returns what a property holds, which `gather` adds where it is new. Nothing may be added to it: it is kept.

        Of the same type, name and value `gather` has to add the same.
        """
        text = text_of(value)
        if text is None:
            return _gather(name, value, gather)
        return self._kept.find_or_make((resource_type, name, text), lambda: _gather(name, value, gather))


def _gather(name: str, value: Json, gather: Gather) -> Gathered:
    found = Gathered(Found(), Noticed(), set())
    gather(name, value, found)
    return found
