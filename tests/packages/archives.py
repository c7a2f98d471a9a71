"""Packages as archives, made for a test or published ones."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

Json = Any

SHARED = Path(os.environ.get("FHIR_DMP_SHARED", Path(__file__).parents[3] / "shared"))
BASE = "http://hl7.org/fhir/StructureDefinition/"
URL = "https://example.org/StructureDefinition/named"


def published(name: str) -> Path:
    """The archive of a published package; skips the test where it is absent."""
    file = SHARED / "packages" / f"{name}.tgz"
    if not file.is_file():
        pytest.skip(f"{name} is not in {file.parent}")
    return file


def build_profile(version: str = "1.0.0", *, least: int = 1, url: str = URL, **members: Json) -> Json:
    """A profile of Patient that wants so many names."""
    element = [{"id": "Patient", "path": "Patient"}, {"id": "Patient.name", "path": "Patient.name", "min": least}]
    return {
        "resourceType": "StructureDefinition",
        "url": url,
        "version": version,
        "name": "Named",
        "status": "active",
        "fhirVersion": "4.0.1",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "baseDefinition": f"{BASE}Patient",
        "derivation": "constraint",
        "differential": {"element": element},
        **members,
    }


def build_manifest(name: str = "example.named", version: str = "1.0.0", **dependencies: str) -> Json:
    """A package.json; `__` in the name of a dependency stands for a dot."""
    wanted = {key.replace("__", "."): value for key, value in dependencies.items()}
    return {"name": name, "version": version, "fhirVersions": ["4.0.1"], "title": "Names", "dependencies": wanted}


def pack(file: Path, manifest: Json, *definitions: Json) -> Path:
    """Writes a package."""
    rows = {"package.json": manifest} if manifest else {}
    rows |= {f"{index}.json": row for index, row in enumerate(definitions)}
    with tarfile.open(file, "w:gz") as archive:
        for name, row in rows.items():
            data = json.dumps(row).encode()
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file
