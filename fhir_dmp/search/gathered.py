"""Gathered: what one property of a resource holds, kept for the next resource that has it with the same value.

Codes, categories, subjects and, of an event of the audit trail, who asked recur from one resource to the next: to look
a property up by its JSON costs a tenth of what a walk through it does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fhir_dmp.json_text import Json, write_json
from fhir_dmp.recurring import Recurring
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

    def __init__(self, most: int = 4096, longest: int = 4096) -> None:
        """Keeps nothing of a property whose JSON has over `longest` bytes."""
        self._longest = longest
        self._kept: Recurring[tuple[str, str, bytes], Gathered] = Recurring(most)

    def find(self, resource_type: str, name: str, value: Json, gather: Gather) -> Gathered:
        """Returns what a property holds, which `gather` adds where it is new. Nothing may be added to it: it is kept.

        Of the same type, name and value `gather` has to add the same.
        """
        try:
            key = (resource_type, name, write_json(value))
        except TypeError:  # it is no JSON, as an integer of many digits: it has facts, and is not kept
            return _gather(name, value, gather)
        found = self._kept.find(key)
        if found is None:
            found = _gather(name, value, gather)
            if len(key[2]) <= self._longest:
                self._kept.keep(key, found)
        return found


def _gather(name: str, value: Json, gather: Gather) -> Gathered:
    found = Gathered(Found(), Noticed(), set())
    gather(name, value, found)
    return found
