"""What a habilitation matrix opens and closes beside another one. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fhir_dmp.access.matrix import Matrix, Row

_NOTHING = Row(frozenset(), frozenset(), frozenset())


@dataclass(frozen=True, slots=True)
class Difference:
    """What one profession (TRE_G15) may read from now on, and what no longer: document types and resource types."""

    profession: str
    opened: tuple[str, ...]
    closed: tuple[str, ...]


def find_differences(before: Matrix, after: Matrix) -> Iterator[Difference]:
    """Yields the professions for whom anything changes, by their code."""
    for profession in sorted(before.rows.keys() | after.rows.keys()):
        former, new = (_readable(matrix.rows.get(profession, _NOTHING)) for matrix in (before, after))
        if former != new:
            yield Difference(profession, tuple(sorted(new - former)), tuple(sorted(former - new)))


def _readable(row: Row) -> frozenset[str]:
    return row.documents | row.resources
