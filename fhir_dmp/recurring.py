"""Recurring: what was found for a value, kept for the next that is the same. Pure: it holds what it is given.

Codes, categories, methods and units recur from one resource to the next: to look a property up by its JSON costs a
tenth of what a walk through it does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from fhir_dmp.json_text import Json, write_json

UNIQUE = frozenset({"meta", "text", "contained", "identifier", "content", "presentedForm", "period", "what", "detail"})
"""Properties of resources whose values are rarely those of another."""
LONGEST = 2048
"""Bytes of a text that is worth keeping."""
Key = TypeVar("Key")
Kept = TypeVar("Kept")


def text_of(value: Json) -> bytes | None:
    """Returns the JSON by which a value is known; None where it is too long, or is none (an integer of many digits)."""
    try:
        text = write_json(value)
    except TypeError:
        return None
    return text if len(text) <= LONGEST else None


class Recurring(Generic[Key, Kept]):
    """The last `most` things that were kept, up to as many again; what is found once more stays."""

    def __init__(self, most: int = 4096) -> None:
        """Keeps nothing yet."""
        self._most = most
        self._new: dict[Key, Kept] = {}
        self._old: dict[Key, Kept] = {}

    def find(self, key: Key) -> Kept | None:
        """Returns what is kept under a key, None where nothing is."""
        found = self._new.get(key)
        if found is None and (found := self._old.get(key)) is not None:
            self.keep(key, found)
        return found

    def find_or_make(self, key: Key, make: Callable[[], Kept]) -> Kept:
        """Returns what is kept under a key, made now where nothing is."""
        found = self.find(key)
        if found is None:
            found = make()
            self.keep(key, found)
        return found

    def keep(self, key: Key, found: Kept) -> None:
        """Keeps what was found. Nobody may change it afterwards."""
        if len(self._new) >= self._most:
            self._old, self._new = self._new, {}
        self._new[key] = found

    def clear(self) -> None:
        """Forgets everything."""
        self._new, self._old = {}, {}
