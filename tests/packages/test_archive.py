"""What is read of an archive, and how much of it."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from fhir_dmp.packages.archive import read_archive
from fhir_dmp.packages.manifest import PackageUnusable

CODES = json.dumps({"resourceType": "CodeSystem", "url": "https://example.org/codes"}).encode()
MEGABYTE = 1024 * 1024


def _add(archive: tarfile.TarFile, name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname = kind, len(data), "package/a.json"
    archive.addfile(member, io.BytesIO(data))


def test_links_devices_and_folders_are_not_read(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "p.tgz", "w:gz") as archive:
        _add(archive, "./package/a.json", CODES)
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE):
            _add(archive, "package/b.json", kind=kind)
        for name in ("/package/c.json", "../package/d.json", "package/x/e.json", "package/.index.json", "f.json"):
            _add(archive, name, CODES)
    found = read_archive(tmp_path / "p.tgz")
    assert [(found.label, row.place) for row in found.definitions] == [(str(tmp_path / "p.tgz"), "package/a.json")]


@pytest.mark.parametrize("name", ["package/big.json", "elsewhere/big.bin"])
def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "p.tgz", "w:gz") as archive:
        _add(archive, "package/a.json", CODES)
        _add(archive, name, b" " * 4 * MEGABYTE)
        _add(archive, "package/z.json", CODES)
    assert (tmp_path / "p.tgz").stat().st_size < MEGABYTE / 10
    with pytest.raises(PackageUnusable, match="it unpacks to more than is taken"):
        read_archive(tmp_path / "p.tgz", most_bytes=MEGABYTE)


def test_what_has_no_canonical_or_is_no_definition_is_passed_by(tmp_path: Path) -> None:
    rows = [{"resourceType": "CodeSystem"}, {"resourceType": "CodeSystem", "url": 1}, [], 1]
    rows += [{"resourceType": "Patient", "url": "x"}, {"resourceType": "ValueSet", "url": "x", "version": 2}]
    with tarfile.open(tmp_path / "p.tgz", "w:gz") as archive:
        for index, row in enumerate(rows):
            _add(archive, f"package/{index}.json", json.dumps(row).encode())
        _add(archive, "package/a.json", b"\xef\xbb\xbf" + CODES)
    assert [row.url for row in read_archive(tmp_path / "p.tgz").definitions] == ["https://example.org/codes"]


@pytest.mark.parametrize("depth", [300, 900, 100_000])
def test_what_is_nested_too_deep_is_refused(tmp_path: Path, depth: int) -> None:
    nested = CODES[:-1] + b', "extension": ' + b"[" * depth + b"]" * depth + b"}"
    with tarfile.open(tmp_path / "p.tgz", "w:gz") as archive:
        _add(archive, "package/a.json", nested)
    with pytest.raises(PackageUnusable, match="cannot be used as a FHIR package"):
        read_archive(tmp_path / "p.tgz")


def test_the_prose_is_left_out_and_the_snapshot_stands_for_the_differential(tmp_path: Path) -> None:
    row = {"path": "Patient", "definition": "x", "comment": "x", "patternString": {"comment": "stays"}, "min": 1}
    views = {"snapshot": {"element": [row]}, "differential": {"element": [row]}, "text": {}, "mapping": []}
    profile = {"resourceType": "StructureDefinition", "url": "https://example.org/p", **views}
    with tarfile.open(tmp_path / "p.tgz", "w:gz") as archive:
        _add(archive, "package/a.json", json.dumps(profile).encode())
    found = read_archive(tmp_path / "p.tgz").definitions[0].read()
    kept = {"path": "Patient", "patternString": {"comment": "stays"}, "min": 1}
    identity = {"resourceType": "StructureDefinition", "url": "https://example.org/p"}
    assert found == {**identity, "snapshot": {"element": [kept]}}
