"""A backup as it lies in a folder: a file of BSON for each collection, compressed, and a manifest that is written last.

Without manifest it is none: what was interrupted cannot be taken for whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import file_digest
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import zstandard

from fhir_dmp.commands.failure import CommandError, Exit

FORMAT = 1
_MANIFEST = "manifest.json"
_LENGTH = 4
"""Bytes at the start of a BSON document, which say how long it is."""
_LARGEST = 17 * 1024 * 1024
_PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class Part:
    """A collection in a backup: how many documents and bytes of BSON, and the SHA-256 of its file in hex."""

    name: str
    indexes: str
    documents: int
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds: when it was begun (an instant), of which database, by which version of fhir-dmp."""

    made: str
    database: str
    version: str
    parts: tuple[Part, ...]


class PartWriter:
    """Writes the file of one collection; it is on the disk when `close` returns."""

    def __init__(self, folder: Path, name: str) -> None:
        """Creates the file, which nobody else may read."""
        self._path = folder / _file_name(name)
        with _explain_faults(self._path):
            self._file = _create(self._path)
        self._packing = zstandard.ZstdCompressor(level=3).compressobj()
        self.documents = self.size = 0

    def write(self, document: bytes) -> None:
        """Adds a document."""
        with _explain_faults(self._path):
            self._file.write(self._packing.compress(document))
        self.documents += 1
        self.size += len(document)

    def close(self) -> str:
        """Ends the file, and returns its SHA-256 in hex."""
        with _explain_faults(self._path):
            self._file.write(self._packing.flush())
            _settle(self._file)
            return _digest(self._path)


@dataclass(frozen=True, slots=True)
class Archive:
    """A backup that is whole, as far as its manifest says."""

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Reads the manifest, and holds every file against it; raises CommandError (refused, or no such folder)."""
        try:
            text = (folder / _MANIFEST).read_text(encoding="utf8")
        except OSError:
            raise CommandError(Exit.ENVIRONMENT, f"{folder} holds no backup that was finished") from None
        archive = cls(folder, _parse(text, folder))
        for part in archive.manifest.parts:
            path = folder / _file_name(part.name)
            if not path.is_file() or _digest(path) != part.digest:
                raise CommandError(Exit.REFUSED, f"{path} is not as it was written: nothing was restored")
        return archive

    def documents(self, part: Part) -> Iterator[bytes]:
        """Yields the documents of a collection in BSON; raises CommandError where a file ends within one."""
        with (self.folder / _file_name(part.name)).open("rb") as file:
            source = zstandard.ZstdDecompressor().stream_reader(file)
            while head := source.read(_LENGTH):
                length = int.from_bytes(head, "little")
                rest = source.read(length - _LENGTH) if _LENGTH < length <= _LARGEST else b""
                if len(head) + len(rest) != length:
                    raise CommandError(Exit.REFUSED, f"the documents of {part.name} are damaged")
                yield head + rest


def prepare_folder(folder: Path) -> None:
    """Creates the folder of a backup; raises CommandError where there is something in it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_taken = any(folder.iterdir())
    except OSError as fault:
        raise CommandError(Exit.ENVIRONMENT, f"{folder} cannot be written: {fault.strerror}") from None
    if is_taken:
        raise CommandError(Exit.USAGE, f"{folder} is not empty: a backup takes a folder of its own")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Makes the backup whole."""
    text = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=2)
    part = folder / f"{_MANIFEST}.part"
    with _explain_faults(part):
        file = _create(part)
        file.write(text.encode())
        _settle(file)
        part.rename(folder / _MANIFEST)
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _parse(text: str, folder: Path) -> Manifest:
    try:
        row = json.loads(text)
        if row.pop("format") != FORMAT:
            raise CommandError(Exit.REFUSED, f"{folder} holds a backup of another format than {FORMAT}")
        return Manifest(**{**row, "parts": tuple(Part(**part) for part in row["parts"])})
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CommandError(Exit.REFUSED, f"{folder / _MANIFEST} cannot be read: nothing was restored") from None


def _file_name(collection: str) -> str:
    return f"{collection}.bson.zst"


class _explain_faults:  # noqa: N801  read as a verb: a class, as it is entered for each document
    """Says which file cannot be written, and why: of a full disk the system names none."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(fault, OSError):
            raise CommandError(Exit.ENVIRONMENT, f"{self._path} cannot be written: {fault.strerror}") from None


def _create(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb")


def _settle(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
