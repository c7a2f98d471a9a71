"""The journal of a load: what the server has acknowledged, so that the same command can be run again to resume.

A file of JSON lines in the platform's state folder, one per answer, written after it: {"location", "keys"}. A key is
a digest of file, place and content: nothing of a record is in the journal but the ids of resources.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import orjson
from platformdirs import user_state_path

from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.commands.files import open_private


class Journal:
    """The keys acknowledged so far, those of earlier runs included. Raises OSError where its file cannot be used."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._keys: set[str] = set()
        self.last_location = ""
        for acknowledged in _read(file):
            self._keys.update(acknowledged.keys)
            self.last_location = acknowledged.location or self.last_location

    def __contains__(self, key: str) -> bool:
        """Tells whether what this key stands for was acknowledged."""
        return key in self._keys

    def clear(self) -> None:
        """Forgets everything."""
        self._keys.clear()
        self.last_location = ""
        self._file.unlink(missing_ok=True)

    def add(self, keys: Sequence[str], location: str) -> None:
        """Records an answer, at once; raises CommandError (environment) where that is impossible."""
        if not keys:
            return
        line = orjson.dumps({"location": location, "keys": keys}) + b"\n"
        try:
            with open(self._file, "ab", buffering=0, opener=open_private) as file:
                file.write(line)
        except OSError as fault:
            message = f"the journal of this load cannot be written: {fault.strerror} ({self._file})"
            raise CommandError(Exit.ENVIRONMENT, message) from None


def open_journal(base_url: str, paths: Iterable[Path]) -> Journal:
    """Returns the journal of loading these paths into this server; raises CommandError where there can be none."""
    name = sha256("\0".join([base_url, *(str(path.resolve()) for path in paths)]).encode(errors="surrogateescape"))
    folder = user_state_path("fhir-dmp", appauthor=False) / "loads"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Journal(folder / f"{name.hexdigest()[:32]}.jsonl")
    except OSError as fault:
        raise CommandError(Exit.ENVIRONMENT, f"no journal can be kept in {folder}: {fault.strerror}") from None


@dataclass(frozen=True, slots=True)
class _Acknowledged:
    """One line of the journal."""

    location: str
    keys: Sequence[str]


def _read(file: Path) -> Iterator[_Acknowledged]:
    """Yields the lines of a journal. One that an interruption left half-written counts for nothing, and is ended."""
    if not file.exists():
        return
    with file.open("r+b") as lines:
        line = b"\n"
        for line in lines:
            found = _parse(line)
            if found:
                yield found
        if not line.endswith(b"\n"):
            lines.write(b"\n")


def _parse(line: bytes) -> _Acknowledged | None:
    try:
        row = orjson.loads(line)
        return _Acknowledged(row["location"], row["keys"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
