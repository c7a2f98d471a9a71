"""FHIR packages as archives: the definitions in a .tgz, https://hl7.org/fhir/packages.html.

An archive comes from elsewhere: nothing of it is written to disk, only regular files directly below `package/` are
read, and what it unpacks to is bounded.
"""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path

import orjson

from fhir_dmp.json_text import Json
from fhir_dmp.packages.manifest import Manifest, PackageUnusable, parse_manifest
from fhir_dmp.packages.package import Definition, Package, is_definition, pack_definition

MOST_BYTES = 512 * 1024 * 1024
"""What an archive may unpack to; R4's own package is below 100 MB."""

_MANIFEST = "package/package.json"
_BROKEN = (OSError, EOFError, zlib.error, tarfile.TarError, ValueError, OverflowError, orjson.JSONEncodeError)


def read_archive(file: Path, most_bytes: int = MOST_BYTES) -> Package:
    """Returns the StructureDefinitions, ValueSets and CodeSystems of a package that have a canonical.

    Raises PackageUnusable for what is no archive, holds a file that is not JSON, is larger than
    `most_bytes`, or has no definitions.
    """
    manifest: Manifest | None = None
    found: list[Definition] = []
    try:
        with file.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
        with _Bounded(file, most_bytes) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            for name, value in _read_files(archive):
                manifest = parse_manifest(value) if name == _MANIFEST else manifest
                found += [pack_definition(value, name)] if is_definition(value) else []
    except _BROKEN as fault:
        raise _broken(file, _word(fault)) from None
    if not found:
        raise _broken(file, "there is no definition in a folder package/")
    return Package(str(file), manifest, tuple(found), digest)


class _Bounded(gzip.GzipFile):
    """A gzip stream that ends with an error where it unpacks to more than it may."""

    def __init__(self, file: Path, most_bytes: int) -> None:
        super().__init__(file, "rb")
        self._left = most_bytes

    def read(self, size: int | None = -1) -> bytes:
        """Returns the next bytes; raises ValueError beyond the limit."""
        data = super().read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("it unpacks to more than is taken")
        return data


def _read_files(archive: tarfile.TarFile) -> Iterator[tuple[str, Json]]:
    for member in archive:
        content = archive.extractfile(member) if _is_resource(member) else None
        if content is not None:
            name = member.name.removeprefix("./")
            yield name, _parse(name, content.read())


def _is_resource(member: tarfile.TarInfo) -> bool:
    folder, _, name = member.name.removeprefix("./").rpartition("/")
    return member.isreg() and folder == "package" and name.endswith(".json") and not name.startswith(".")


def _parse(name: str, data: bytes) -> Json:
    try:
        return orjson.loads(data.removeprefix(BOM_UTF8))
    except orjson.JSONDecodeError as fault:
        raise ValueError(f"{name} is not JSON: {fault}") from None


def _word(fault: Exception) -> str:
    return str(fault.strerror or fault) if isinstance(fault, OSError) else str(fault)


def _broken(file: Path, reason: str) -> PackageUnusable:
    return PackageUnusable(f"{file} cannot be used as a FHIR package: {reason}")
