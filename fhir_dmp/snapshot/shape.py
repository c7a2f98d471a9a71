"""The JSON shape of what is read of an ElementDefinition: https://hl7.org/fhir/R4/elementdefinition.html.

A definition may reach the generator before anything has validated it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.outcome import Category, error
from fhir_dmp.snapshot.limit import MAX_LEVELS

_CARDINALITY = re.compile(r"\*|\d{1,9}")


def _is_text(value: Json) -> bool:
    return isinstance(value, str)


def _is_count(value: Json) -> bool:
    return type(value) is int and value >= 0


def _is_max(value: Json) -> bool:
    return isinstance(value, str) and _CARDINALITY.fullmatch(value) is not None


def _is_flag(value: Json) -> bool:
    return type(value) is bool


def _is_objects(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _is_list(value: Json) -> bool:
    return isinstance(value, list)


def _is_texts(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_extensions(value: Json) -> bool:
    return _is_objects(value) and all(isinstance(row.get("url"), str) for row in value)


def _is_companions(value: Json) -> bool:
    """Of a list of primitives: their extensions, null where there are none."""
    return isinstance(value, list) and all(
        item is None or (isinstance(item, dict) and _is_extensions(item.get("extension", []))) for item in value
    )


def _is_types(value: Json) -> bool:
    return _is_objects(value) and all(
        isinstance(row.get("code"), str)
        and _is_texts(row.get("profile", []))
        and _is_texts(row.get("targetProfile", []))
        and _is_companions(row.get("_profile", []))
        for row in value
    )


def _is_slicing(value: Json) -> bool:
    return isinstance(value, dict) and isinstance(value.get("rules", ""), str)


def _is_constraints(value: Json) -> bool:
    return _is_objects(value) and all(isinstance(row.get("key"), str) for row in value)


def _is_binding(value: Json) -> bool:
    return isinstance(value, dict) and _is_extensions(value.get("extension", []))


_SHAPES: Mapping[str, tuple[Callable[[Json], bool], str]] = MappingProxyType({
    "id": (_is_text, "a string"),
    "sliceName": (_is_text, "a string"),
    "contentReference": (_is_text, "a string"),
    "definition": (_is_text, "a string"),
    "comment": (_is_text, "a string"),
    "requirements": (_is_text, "a string"),
    "min": (_is_count, "a number, 0 or more"),
    "max": (_is_max, "a number in a string, or '*'"),
    "mustSupport": (_is_flag, "true or false"),
    "type": (_is_types, "objects with a code"),
    "constraint": (_is_constraints, "objects with a key"),
    "binding": (_is_binding, "an object, its extensions with a url"),
    "slicing": (_is_slicing, "an object with rules"),
    "extension": (_is_extensions, "objects with a url"),
    "condition": (_is_list, "a list"),
    "alias": (_is_list, "a list"),
    "mapping": (_is_list, "a list"),
    "example": (_is_list, "a list"),
})  # fmt: skip


_HEAD = MappingProxyType({
    "url": str, "version": str, "baseDefinition": str, "derivation": str, "differential": dict, "snapshot": dict,
})  # fmt: skip


def check_definition(definition: JsonObject) -> None:
    """Raises FhirError (unprocessable) where a StructureDefinition's own properties cannot be read."""
    for key, expected in _HEAD.items():
        if not isinstance(definition.get(key, expected()), expected):
            kind = "a string" if expected is str else "an object"
            raise error(Category.UNPROCESSABLE, "snapshot-shape", f"{key} is not {kind}.", f"StructureDefinition.{key}")


def check_shape(row: Json, where: str) -> None:
    """Raises FhirError where a row is no ElementDefinition that can be read (`where`: a FHIRPath to it)."""
    path = row.get("path") if isinstance(row, dict) else None
    if not isinstance(path, str) or not all(path.split(".")):
        raise error(Category.UNPROCESSABLE, "snapshot-path", "An element has no path.", where)
    if path.count(".") >= MAX_LEVELS:
        message = f"{path[:200]}: elements nest deeper than {MAX_LEVELS} levels."
        raise error(Category.TOO_COSTLY, "snapshot-too-deep", message, where)
    for key, (holds, expected) in _SHAPES.items():
        if key in row and not holds(row[key]):
            message = f"{path}: {key} is not {expected}."
            raise error(Category.UNPROCESSABLE, "snapshot-shape", message, f"{where}.{key}")
