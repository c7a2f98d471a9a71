"""The resources of profiles/, and where the published packages they restate are."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import orjson
import pytest

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.loader import load_definitions

FOLDER = Path(__file__).parents[2] / "profiles"
FILES = sorted(FOLDER.glob("*/*.json"))
SHARED = Path(os.environ.get("FHIR_DMP_SHARED", Path(__file__).parents[3] / "shared"))
EXTENSIONS = "hl7.fhir.uv.extensions.r4-5.2.0"
PUBLISHED = {"fr-core": "hl7.fhir.fr.core-2.2.0", "pdsm": "ans.fhir.fr.pdsm-3.1.1"}
"""The package that each folder restates; the others are ours, and MHD's, which no package here has."""


@cache
def read(path: Path) -> JsonObject:
    """Returns one resource of profiles/."""
    resource: JsonObject = orjson.loads(path.read_bytes())
    return resource


def shipped(kind: str, folder: str = "*") -> list[JsonObject]:
    """Returns the shipped resources of one type."""
    return [read(path) for path in sorted(FOLDER.glob(f"{folder}/{kind}-*.json"))]


@cache
def package(name: str) -> dict[str, JsonObject]:
    """Returns the conformance resources of a package by canonical; skips the test where it is absent."""
    path = SHARED / "packages" / f"{name}.tgz"
    if not path.is_file():
        pytest.skip(f"{name} is not in {path.parent}")
    found = {}
    with tarfile.open(path) as archive:
        for member in archive:
            if member.name.startswith(("package/StructureDefinition-", "package/ValueSet-", "package/CodeSystem-")):
                stream = archive.extractfile(member)
                resource = orjson.loads(stream.read() if stream else b"{}")
                found[resource["url"]] = resource
    return found


def definition_table(*packages: str) -> dict[str, JsonObject]:
    """Returns R4's StructureDefinitions, those of these packages and, first in force, the shipped ones."""
    return _structures([*load_definitions("structures"), *_of(packages), *shipped("StructureDefinition")])


def published_table(*packages: str) -> dict[str, JsonObject]:
    """Returns R4's StructureDefinitions and those of these packages, restated ones as their differentials alone."""
    found = _structures([*load_definitions("structures"), *_of(packages)])
    restated = [url for name in PUBLISHED.values() if name in packages for url in package(name) if url in found]
    return found | {url: {key: found[url][key] for key in found[url] if key != "snapshot"} for url in restated}


def _structures(resources: list[JsonObject]) -> dict[str, JsonObject]:
    return {item["url"]: item for item in resources if item["resourceType"] == "StructureDefinition"}


def _of(packages: tuple[str, ...]) -> Iterator[JsonObject]:
    for name in packages:
        yield from package(name).values()


def constraints(definition: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    """Yields the constraints of a differential, each with the path of its element."""
    for element in definition["differential"]["element"]:
        for constraint in element.get("constraint", ()):
            yield element["path"], constraint


def walk(value: Json) -> Iterator[JsonObject]:
    """Yields every object within a JSON value."""
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from walk(item)
    elif isinstance(value, list):
        for item in value:
            yield from walk(item)
