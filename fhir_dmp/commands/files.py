"""Which files a command is about: those it is given, and the JSON and ndjson files of the folders it is given."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from fhir_dmp.commands.failure import CommandError, Exit

_SUFFIXES = frozenset({".json", ".ndjson"})


def find_files(paths: Iterable[Path]) -> list[Path]:
    """Returns the files in the order of `paths`, each once; those of a folder recursively, in the order of names.

    Raises CommandError (usage) for a folder without any.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        files = list(_expand(path))
        if not files:
            raise CommandError(Exit.USAGE, f"the folder {path} holds no *.json and no *.ndjson file")
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def is_ndjson(file: Path) -> bool:
    """Tells whether each line of a file is a resource: http://ndjson.org."""
    return file.suffix.lower() in {".ndjson", ".jsonl"}


def total_size(files: Iterable[Path]) -> int:
    """Returns the size of all the files together, in bytes; a file that is gone has none."""
    return sum(file.stat().st_size for file in files if file.exists())


def read_file(file: Path) -> bytes:
    """Returns a file's content; raises CommandError (environment) where it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as fault:
        raise _unreadable(file, fault) from None


def read_lines(file: Path) -> Iterator[bytes]:
    """Yields a file's lines with their ends; raises CommandError (environment) where it cannot be read."""
    try:
        with file.open("rb") as lines:
            yield from lines
    except OSError as fault:
        raise _unreadable(file, fault) from None


def open_private(path: str, flags: int) -> int:
    """Opens a file that, where it is new, is its owner's alone: the opener of `open`."""
    return os.open(path, flags, 0o600)


def _expand(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    yield from sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())


def _unreadable(file: Path, fault: OSError) -> CommandError:
    return CommandError(Exit.ENVIRONMENT, f"{file} cannot be read: {fault.strerror}")
