"""Published snapshots beside regenerated ones: the packages of FHIR_DMP_SHARED and the R4 profiles, element by element.

Canonicals are equal where one of them has no version: publishers pin those of their dependencies into the snapshot.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import orjson

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.loader import load_definitions
from fhir_dmp.outcome import FhirError
from fhir_dmp.snapshot import Snapshots

SHARED = Path(os.environ.get("FHIR_DMP_SHARED", Path(__file__).parents[3] / "shared"))
CORE = "hl7.fhir.r4.core-4.0.1"
FR_CORE = "hl7.fhir.fr.core-2.1.0"
EXTENSIONS = "hl7.fhir.uv.extensions.r4-5.2.0"
DEPENDENCIES = {
    "ans.fhir.fr.pdsm-3.1.1": [EXTENSIONS, FR_CORE],
    "ans.fhir.fr.pdsm4dmp-0.1.0": [EXTENSIONS, FR_CORE],
    "ans.fhir.fr.tde-2.0.0": [EXTENSIONS, FR_CORE],
    FR_CORE: [EXTENSIONS],
    "hl7.fhir.fr.core-2.2.0": [EXTENSIONS],
    EXTENSIONS: [],
    "hl7.fhir.uv.ips-1.1.0": [],
}
"""Which packages each is built on, later ones first in force; R4 itself is under all of them."""


@dataclass
class Comparison:
    """`differences` are (canonical, element id, field); `errors` the codes of the issues for what was not generated.

    `refused` counts the elements of those whose differential is at fault, not a base that is not at hand.
    """

    structures: int = 0
    elements: int = 0
    equal: int = 0
    refused: int = 0
    differences: set[tuple[str, str, str]] = field(default_factory=set)
    errors: dict[str, list[str]] = field(default_factory=dict)


@cache
def definitions(package: str) -> list[JsonObject]:
    """Returns the StructureDefinitions of a package, or of R4."""
    if package == CORE:
        return load_definitions("structures")
    found = []
    with tarfile.open(SHARED / "packages" / f"{package}.tgz") as archive:
        for member in archive:
            if member.name.startswith("package/StructureDefinition-"):
                stream = archive.extractfile(member)
                found.append(orjson.loads(stream.read() if stream else b"{}"))
    return found


def lookup_table(package: str) -> dict[str, JsonObject]:
    """Returns what a package's canonicals, without their versions, stand for."""
    packages = [CORE, *DEPENDENCIES.get(package, []), package]
    return {definition["url"]: definition for name in packages for definition in definitions(name)}


def compare(package: str) -> Comparison:
    """Regenerates every snapshot of a package from its differential and compares it with the published one."""
    table = lookup_table(package)
    snapshots = Snapshots(lambda canonical: table.get(canonical.partition("|")[0]))
    result = Comparison()
    for definition in definitions(package):
        if "snapshot" not in definition or not ({"differential", "derivation"} <= definition.keys()):
            continue
        canonical = f"{definition['url']}|{definition['version']}"
        published = definition["snapshot"]["element"]
        try:
            generated = snapshots.generate(definition)["snapshot"]["element"]
        except FhirError as refused:
            result.errors[canonical] = sorted({issue.code for issue in refused.issues})
            is_refused = result.errors[canonical] != ["snapshot-base-unknown"]
            result.refused += len(published) if is_refused else 0
            continue
        result.structures += 1
        _compare_rows(canonical, generated, published, result)
    return result


def _compare_rows(canonical: str, generated: list[JsonObject], published: list[JsonObject], result: Comparison) -> None:
    ours = {row["id"]: row for row in generated}
    theirs = {row["id"]: row for row in published}
    found = [(identifier, name) for identifier in ours | theirs for name in _differing(ours, theirs, identifier)]
    if [name for name in ours if name in theirs] != [name for name in theirs if name in ours]:
        found.append((published[0]["id"], "order"))
    result.elements += len(ours | theirs)
    result.equal += len(ours | theirs) - len({identifier for identifier, _ in found})
    result.differences |= {(canonical, identifier, name) for identifier, name in found}


def _differing(ours: dict[str, JsonObject], theirs: dict[str, JsonObject], identifier: str) -> Iterator[str]:
    if identifier not in theirs:
        yield "additional"
    elif identifier not in ours:
        yield "missing"
    else:
        mine, published = _compared(ours[identifier]), _compared(theirs[identifier])
        yield from (name for name in mine if not _same(mine[name], published[name]))


def _compared(row: JsonObject) -> dict[str, Json]:
    """What is compared of an element."""
    types = row.get("type", [])
    slicing = row.get("slicing") or {}
    discriminators = [f"{item['type']}:{item['path']}" for item in slicing.get("discriminator", [])]
    return {
        "place": [row["path"], row.get("sliceName")],
        "cardinality": [row["min"], row["max"]],
        "types": sorted([item["code"], sorted(item.get("profile", []), key=_unversioned)] for item in types),
        "targets": sorted([item["code"], sorted(item.get("targetProfile", []), key=_unversioned)] for item in types),
        "binding": [row.get("binding", {}).get("strength"), row.get("binding", {}).get("valueSet")],
        "value": {key: value for key, value in row.items() if key.startswith(("fixed", "pattern"))},
        "constraints": sorted({item["key"] for item in row.get("constraint", [])}),
        "mustSupport": row.get("mustSupport", False),
        "isModifier": row.get("isModifier", False),
        "base": row["base"],
        "slicing": [*discriminators, slicing.get("rules")],
    }


def _unversioned(canonical: str) -> str:
    return canonical.partition("|")[0]


def _same(ours: Json, theirs: Json) -> bool:
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(_same, ours, theirs))
    if isinstance(ours, str) and isinstance(theirs, str) and ours.startswith("http"):
        versions = {ours.partition("|")[2], theirs.partition("|")[2]}
        return ours == theirs or ("" in versions and _unversioned(ours) == _unversioned(theirs))
    return bool(ours == theirs)
