"""ElementDefinition: one row of a snapshot, https://hl7.org/fhir/R4/elementdefinition.html."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from fhir_dmp.json_text import JsonObject

_SYSTEM_TYPE = "http://hl7.org/fhirpath/System."
_FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"

BindingStrength = Literal["required", "extensible", "preferred", "example"]


@dataclass(frozen=True, slots=True)
class TypeRef:
    """One permitted type of an element; profiles narrow the type itself, target_profiles what it refers to."""

    code: str
    profiles: tuple[str, ...] = ()
    target_profiles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Binding:
    """The value set an element is bound to; `value_set` is a canonical, possibly with |version."""

    strength: BindingStrength
    value_set: str


@dataclass(frozen=True, slots=True)
class Element:
    """What a snapshot says of one element. `max` is None where any number may repeat.

    `repeats` comes from the base definition: it decides whether JSON writes an array, whatever a profile's max is.
    """

    path: str
    name: str
    min: int
    max: int | None
    repeats: bool
    types: tuple[TypeRef, ...]
    is_choice: bool
    is_summary: bool
    is_modifier: bool
    binding: Binding | None
    content_reference: str


def parse_element(row: JsonObject) -> Element:
    """Returns the Element of one row of `snapshot.element`."""
    path = row["path"]
    last = path.rsplit(".", 1)[-1]
    return Element(
        path=path,
        name=last.removesuffix("[x]"),
        min=row.get("min", 0),
        max=_parse_max(row.get("max", "*")),
        repeats=row.get("base", row).get("max", "*") not in {"0", "1"},
        types=tuple(_parse_types(row.get("type", ()))),
        is_choice=last.endswith("[x]"),
        is_summary=row.get("isSummary", False),
        is_modifier=row.get("isModifier", False),
        binding=_parse_binding(row.get("binding")),
        content_reference=row.get("contentReference", "").partition("#")[2],
    )


def _parse_max(text: str) -> int | None:
    return None if text == "*" else int(text)


def _parse_types(rows: Iterable[JsonObject]) -> Iterable[TypeRef]:
    for row in rows:
        yield TypeRef(_type_code(row), tuple(row.get("profile", ())), tuple(row.get("targetProfile", ())))


def _type_code(row: JsonObject) -> str:
    """The FHIR type behind FHIRPath's System types, which R4 uses for `id`, `url` and the values of primitives."""
    code: str = row["code"]
    if not code.startswith(_SYSTEM_TYPE):
        return code
    declared = [item.get("valueUrl") for item in row.get("extension", ()) if item["url"] == _FHIR_TYPE]
    return declared[0] if declared and declared[0] else code.removeprefix(_SYSTEM_TYPE).lower()


def _parse_binding(row: JsonObject | None) -> Binding | None:
    if row is None or "valueSet" not in row:
        return None
    return Binding(row["strength"], row["valueSet"])
