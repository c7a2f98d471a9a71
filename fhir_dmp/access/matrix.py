"""The habilitation matrix: which profession may read which type of document (CSP R1111-46). Default deny.

Its table is data, capability/habilitation.json (shape: habilitation.schema.json): rows are professions (TRE_G15), cells
types of documents (LOINC, TRE_A05) and, for what is no document, FHIR resource types.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fhir_dmp.access.clauses import NOTHING, every, no, some
from fhir_dmp.json_text import JsonObject
from fhir_dmp.search.query import Clause, Marked, OfType

DOCUMENT_TYPES = ("DocumentReference", "Composition", "DocumentManifest")
"""The resource types that have a document type; the matrix judges them by it."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one profession may read: document types, resource types."""

    documents: frozenset[str]
    refused_documents: frozenset[str]
    resources: frozenset[str]


@dataclass(frozen=True, slots=True)
class Matrix:
    """The matrix, with the clause of each profession made once."""

    version: str
    rows: Mapping[str, Row]
    clauses: Mapping[str, Clause]

    def clause(self, profession: str) -> Clause:
        """Returns what a profession may read; of one that is not listed: Nothing."""
        return self.clauses.get(profession, NOTHING)


def parse_matrix(table: JsonObject) -> Matrix:
    """Returns the Matrix of a table that has the shape of habilitation.schema.json.

    Raises ValueError where a cell names a group or a source that the table does not have.
    """
    rows = {code: _parse_row(profession["cells"], table) for code, profession in table["professions"].items()}
    clauses = {code: _build_clause(row) for code, row in rows.items()}
    return Matrix(table["version"], MappingProxyType(rows), MappingProxyType(clauses))


def _parse_row(cells: Iterable[JsonObject], table: JsonObject) -> Row:
    documents: dict[str, bool] = {}
    resources: dict[str, bool] = {}
    # cells of groups first, so that those of single types go before them; in each, denials last
    for cell in sorted(cells, key=lambda cell: ("groups" not in cell, not cell["permit"])):
        for name, found in (("documents", documents), ("resources", resources)):
            found.update(dict.fromkeys(_types(cell, name, table), bool(cell["permit"])))
    return Row(
        documents=frozenset(code for code, may in documents.items() if may),
        refused_documents=frozenset(code for code, may in documents.items() if not may),
        resources=frozenset(name for name, may in resources.items() if may),
    )


def _types(cell: JsonObject, name: str, table: JsonObject) -> Iterator[str]:
    if cell["source"] not in table["sources"] or not table["groups"].keys() >= set(cell.get("groups", ())):
        raise ValueError("a cell of the habilitation matrix names a group or a source that is not there")
    for group in cell.get("groups", ()):
        yield from table["groups"][group][name]
    yield from cell.get(name, ())


def _build_clause(row: Row) -> Clause:
    """A document is read by its type; one that is coded as two needs both to be permitted, as far as they are known."""
    may, may_not = tuple(sorted(row.documents)), tuple(sorted(row.refused_documents))
    readable: list[Clause] = [OfType(DOCUMENT_TYPES), Marked("document", may)]
    if may_not:
        readable.append(no(Marked("document", may_not)))
    return some([OfType(tuple(sorted(row.resources))) if row.resources else NOTHING, every(readable)])
