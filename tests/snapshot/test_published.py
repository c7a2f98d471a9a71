"""The proof: snapshots regenerated from their differentials equal those that were published, but for what is explained.

differences.json has every difference with its reason, not_generated.json what cannot be generated here and why.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import orjson
import pytest

from fhir_dmp.json_text import Json
from tests.snapshot.published import CORE, DEPENDENCIES, SHARED, Comparison, compare, definitions

FOLDER = Path(__file__).parent
EXPLAINED = orjson.loads((FOLDER / "differences.json").read_bytes())
NOT_GENERATED = orjson.loads((FOLDER / "not_generated.json").read_bytes())
LEAST = {CORE: 0.97, "hl7.fhir.uv.extensions.r4-5.2.0": 0.96}
"""The share of equal elements below which a package may not fall; 0.98 where it is not listed, and for all together."""


@cache
def _compared(package: str) -> Comparison:
    if package != CORE and not (SHARED / "packages" / f"{package}.tgz").is_file():
        pytest.skip(f"{package} is not in {SHARED / 'packages'}")
    return compare(package)


def _of(package: str, rows: Json) -> list[Json]:
    own = {f"{definition['url']}|{definition.get('version')}" for definition in definitions(package)}
    return [row for row in rows if row["canonical"] in own]


def _share(comparison: Comparison) -> float:
    """The share of equal elements; those of a refused differential are not, those of an absent base do not count."""
    return comparison.equal / (comparison.elements + comparison.refused)


@pytest.mark.parametrize("package", [*DEPENDENCIES, CORE])
def test_regenerated_snapshots_equal_the_published_ones(package: str) -> None:
    assert _share(_compared(package)) >= LEAST.get(package, 0.98)


@pytest.mark.parametrize("package", [*DEPENDENCIES, CORE])
def test_each_difference_is_explained_and_each_explanation_needed(package: str) -> None:
    found = _compared(package).differences
    rows = _of(package, EXPLAINED["differences"])
    explained = {(row["canonical"], row["element"], row["field"]) for row in rows}
    assert found - explained == set()
    assert explained - found == set()
    assert {row["reason"] for row in rows} <= EXPLAINED["reasons"].keys()


@pytest.mark.parametrize("package", [*DEPENDENCIES, CORE])
def test_what_is_not_generated_is_listed_with_its_reason(package: str) -> None:
    errors = _compared(package).errors
    rows = _of(package, NOT_GENERATED)
    assert {row["canonical"]: row["codes"] for row in rows} == errors
    assert all(row["reason"] for row in rows)


def test_all_packages_together_are_equal_in_98_percent_of_their_elements() -> None:
    compared = [_compared(package) for package in [*DEPENDENCIES, CORE]]
    total = sum(comparison.elements + comparison.refused for comparison in compared)
    assert sum(comparison.equal for comparison in compared) >= 0.98 * total
