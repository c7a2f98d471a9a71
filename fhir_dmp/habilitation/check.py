"""What is wrong with the table of a habilitation matrix, and what it leaves out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import jsonschema
from jsonschema.exceptions import ValidationError

from fhir_dmp.access.matrix import parse_matrix
from fhir_dmp.json_text import Json, JsonObject


def check_table(table: Json, schema: JsonObject) -> list[str]:
    """Returns what keeps a table from being a matrix, a line each: its shape first, then what its cells name."""
    found = sorted(jsonschema.Draft202012Validator(schema).iter_errors(table), key=lambda fault: list(fault.path))
    if found:
        return [_write(fault) for fault in found]
    try:
        parse_matrix(table)
    except ValueError as fault:
        return [str(fault)]
    return []


def find_gaps(table: JsonObject, professions: Iterable[str], document_types: Iterable[str]) -> Iterator[str]:
    """Yields what is denied because the table does not name it, and what it names that does not exist."""
    known, types = set(professions), set(document_types)
    named = {code for group in table["groups"].values() for code in group["documents"]}
    named |= {
        code for row in table["professions"].values() for cell in row["cells"] for code in cell.get("documents", ())
    }
    for title, codes in (
        ("professions (TRE_G15) that are not listed, and so read nothing", known - table["professions"].keys()),
        ("professions that TRE_G15 does not have", table["professions"].keys() - known),
        ("types of documents of the DMP that are not listed, and so are read by nobody", types - named),
    ):
        if codes:
            yield f"{title}: {', '.join(sorted(codes))}"


def _write(fault: ValidationError) -> str:
    place = "/".join(str(step) for step in fault.path)
    return f"{place or 'the table'}: {fault.message[:300]}"
