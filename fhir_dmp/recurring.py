"""Recurring: what was found for a value, kept for the next that is the same. Pure: it holds what it is given."""

from __future__ import annotations

from typing import Generic, TypeVar

Key = TypeVar("Key")
Kept = TypeVar("Kept")


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

    def keep(self, key: Key, found: Kept) -> None:
        """Keeps what was found. Nobody may change it afterwards."""
        if len(self._new) >= self._most:
            self._old, self._new = self._new, {}
        self._new[key] = found
