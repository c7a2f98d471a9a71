"""An expansion that a ValueSet carries: evidence where its compose cannot be evaluated here, or where it has none.

https://hl7.org/fhir/R4/valueset-definitions.html#ValueSet.expansion
"""

from __future__ import annotations

from collections.abc import Iterator

from fhir_dmp.json_text import JsonObject
from fhir_dmp.terminology.codes import Codes, Selection
from fhir_dmp.terminology.membership import NO, YES, Membership, unknown
from fhir_dmp.terminology.source import CodeSystems

_EXTENSION = "http://hl7.org/fhir/StructureDefinition/valueset-"
UNCLOSED = _EXTENSION + "unclosed"
"""The extension that says: other codes may belong to it too."""
_INCOMPLETE = {UNCLOSED, _EXTENSION + "toocostly"}
_NARROWING = {"filter", "activeOnly", "excludeNotForUI", "excludePostCoordinated"}


def read_expansion(expansion: JsonObject, name: str, systems: CodeSystems) -> Selection:
    """Returns the codes of an expansion; all others are unknown where it was cut, filtered or is marked unclosed."""
    listed: dict[str, dict[str, Membership]] = {}
    for row in walk_contains(expansion):
        if "code" in row and not row.get("abstract"):
            system = row.get("system", "")
            code: str = row["code"]
            listed.setdefault(system, {})[code.casefold() if systems.codes(system).folded else code] = YES
    rest = NO if _is_complete(expansion) else unknown("expansion-partial", f"the expansion of {name} is not complete")
    codes = {system: Codes(rows, rest, systems.codes(system).folded) for system, rows in listed.items()}
    return Selection(codes, Codes(rest=rest))


def walk_contains(expansion: JsonObject) -> Iterator[JsonObject]:
    """Yields every row of an expansion, however deep."""
    stack = [*reversed(expansion.get("contains", ()))]
    while stack:
        row = stack.pop()
        yield row
        stack += reversed(row.get("contains", ()))


def _is_complete(expansion: JsonObject) -> bool:
    rows = sum(1 for _ in walk_contains(expansion))
    parameters = {row.get("name") for row in expansion.get("parameter", ()) if row.get("valueBoolean") is not False}
    marks = {row.get("url") for row in expansion.get("extension", ()) if row.get("valueBoolean") is not False}
    whole = rows >= expansion.get("total", rows) and not expansion.get("offset")
    return whole and _NARROWING.isdisjoint(parameters) and _INCOMPLETE.isdisjoint(marks)
