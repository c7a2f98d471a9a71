"""FR Core's published expansions: every listed code belongs, or it is said which content is not here."""

from __future__ import annotations

import gzip
import json
import os
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_dmp.loader import load_definitions
from fhir_dmp.terminology.membership import Member
from fhir_dmp.terminology.stored_expansion import walk_contains
from fhir_dmp.terminology.terminology import Terminology
from tests.terminology.definitions import build_terminology

PACKAGES = Path(os.environ.get("FHIR_DMP_SHARED", Path(__file__).parents[3] / "shared")) / "packages"
EXPANSIONS = PACKAGES / "fr-core-2.2.0-expansions.json.gz"

pytestmark = pytest.mark.skipif(not EXPANSIONS.is_file(), reason=f"there are no published expansions at {PACKAGES}")

UNKNOWN = {
    "fr-core-vs-cog-commune-pays": ("code-system-absent", 1000),  # TRE_R13-CommuneOM is not-present
    "fr-core-vs-insee-code": ("code-system-absent", 1000),  # the same
    "fr-core-vs-encounter-discharge-disposition": ("version-absent", 11),  # of HL7 Terminology, which is not here
    "fr-core-vs-marital-status": ("version-absent", 11),  # the same
}
"""Value sets with codes that cannot be told, the cause, and how many of their (first thousand) codes."""


def _definitions() -> Iterator[dict[str, Any]]:
    yield from (row for row in load_definitions("terminology") if "url" in row)
    for package in ("hl7.fhir.uv.extensions.r4-5.2.0", "hl7.fhir.fr.core-2.1.0", "hl7.fhir.fr.core-2.2.0"):
        with tarfile.open(PACKAGES / f"{package}.tgz") as archive:
            names = [name for name in archive.getnames() if name.startswith(("package/CodeSystem", "package/ValueSet"))]
            for name in names:
                stream = archive.extractfile(name)
                assert stream is not None
                yield json.load(stream)
    for folder in ("nos", "dmp-types"):
        yield from (json.loads(file.read_bytes()) for file in sorted((PACKAGES / folder).glob("*.json")))


@pytest.fixture(scope="module")
def terminology() -> Terminology:
    """R4, HL7 extensions, FR Core 2.1.0 and 2.2.0 (in force), the French code systems."""
    return build_terminology(_definitions())


@pytest.fixture(scope="module")
def published() -> dict[str, list[dict[str, Any]]]:
    """The rows of each expansion."""
    bundle = json.loads(gzip.decompress(EXPANSIONS.read_bytes()))
    resources = [entry["resource"] for entry in bundle["entry"]]
    return {row["url"]: [item for item in walk_contains(row["expansion"]) if "code" in item] for row in resources}


def test_every_published_code_belongs_or_it_is_said_what_is_absent(
    terminology: Terminology, published: dict[str, list[dict[str, Any]]]
) -> None:
    members: Counter[Member] = Counter()
    unknown: dict[str, Counter[str]] = {}
    for url, rows in published.items():
        for row in rows:
            answer = terminology.membership(url, row["system"], row["code"])
            members[answer.member] += 1
            if answer.member is Member.UNKNOWN:
                unknown.setdefault(url.rsplit("/", 1)[1], Counter())[answer.cause] += 1
    assert members == {Member.YES: 1206, Member.UNKNOWN: 2022}
    assert unknown == {name: Counter({cause: count}) for name, (cause, count) in UNKNOWN.items()}


def test_no_code_but_the_published_ones_belongs(
    terminology: Terminology, published: dict[str, list[dict[str, Any]]]
) -> None:
    compared = 0
    for url, rows in published.items():
        if url.rsplit("/", 1)[1] not in UNKNOWN:
            expanded = terminology.expand(url, timestamp="2026-11-21")["expansion"]
            ours = {(row["system"], row["code"]) for row in expanded.get("contains", ())}
            assert ours == {(row["system"], row["code"]) for row in rows}, url
            compared += 1
    assert compared == len(published) - len(UNKNOWN)


def test_published_displays_are_right(terminology: Terminology, published: dict[str, list[dict[str, Any]]]) -> None:
    results = Counter(
        terminology.match_display(row["system"], row["code"], row["display"], value_set=url).result
        for url, rows in published.items()
        for row in rows
        if "display" in row
    )
    assert results["wrong"] == 0
    assert results["right"] > 1000


def test_two_versions_of_fr_core_stand_side_by_side(terminology: Terminology) -> None:
    url, system = (
        "https://hl7.fr/ig/fhir/core/ValueSet/fr-core-vs-title",
        "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203",
    )
    assert terminology.membership(f"{url}|2.2.0", "urn:x", "x").member is Member.NO
    assert terminology.in_code_system(system, "INS-NIR", version="2.1.0").member is Member.YES
    assert terminology.in_code_system(system, "INS-NIR", version="2.2.0").member is Member.YES


def test_an_expansion_that_was_cut_leaves_other_codes_unknown() -> None:
    bundle = json.loads(gzip.decompress(EXPANSIONS.read_bytes()))
    resources = [entry["resource"] for entry in bundle["entry"]]
    cut = next(row for row in resources if row["url"].endswith("fr-core-vs-insee-code"))
    terminology = build_terminology([cut])
    listed = next(walk_contains(cut["expansion"]))
    assert terminology.membership(cut["url"], listed["system"], listed["code"]).member is Member.YES
    assert terminology.membership(cut["url"], listed["system"], "99999").cause == "expansion-partial"
