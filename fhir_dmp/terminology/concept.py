"""What a code system says of one code: $lookup, https://hl7.org/fhir/R4/codesystem-operation-lookup.html."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fhir_dmp.json_text import JsonObject
from fhir_dmp.terminology.code_system import CodeSystem


@dataclass(frozen=True, slots=True)
class Concept:
    """A code with its names and properties (the JSON rows of its CodeSystem and of supplements, in their order)."""

    system: str
    version: str
    code: str
    display: str
    inactive: bool
    abstract: bool
    designations: tuple[JsonObject, ...]
    properties: tuple[JsonObject, ...]
    parents: tuple[str, ...]
    children: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DisplayMatch:
    """Whether a display names its code. `unknown` where none was given or no name is known; `display` is the name."""

    result: Literal["right", "wrong", "unknown"]
    display: str = ""


def build_concept(system: CodeSystem, key: str) -> Concept:
    """Returns the concept of a key that is in the code system."""
    row = system.concepts.get(key, {})
    return Concept(
        system=system.url,
        version=system.version,
        code=row.get("code", key),
        display=row.get("display", ""),
        inactive=system.is_inactive(key),
        abstract=system.is_abstract(key),
        designations=tuple(system.designations(key)),
        properties=tuple(system.property_rows(key)),
        parents=tuple(_written(system, system.parents(key))),
        children=tuple(_written(system, system.children(key))),
    )


def _written(system: CodeSystem, keys: list[str]) -> Iterator[str]:
    return (system.concepts[key]["code"] if key in system.concepts else key for key in keys)


def match_display(text: str, system: CodeSystem | None, key: str, row: JsonObject | None) -> DisplayMatch:
    """Compares a display, without case and spacing, with the names in the code system and in a value set's own row.

    Only a code system can prove a display wrong: a value set may name a code as it likes.
    """
    concept = system.concepts.get(key) if system is not None else None
    names = [*_names(concept), *_names(row)]
    if system is not None:
        names += [item["value"] for item in system.designations(key) if "value" in item]
    if not text or not names:
        return DisplayMatch("unknown", names[0] if names else "")
    if _fold(text) in map(_fold, names):
        return DisplayMatch("right", names[0])
    return DisplayMatch("wrong" if concept is not None and "display" in concept else "unknown", names[0])


def _names(row: JsonObject | None) -> list[str]:
    if row is None:
        return []
    designations = (item["value"] for item in row.get("designation", ()) if "value" in item)
    return [*([row["display"]] if "display" in row else []), *designations]


def _fold(text: str) -> str:
    return " ".join(text.split()).casefold()
