"""What an element is made of when a differential walks into it: the elements of its type, profile or target.

https://hl7.org/fhir/R4/elementdefinition.html (type, contentReference).
"""

from __future__ import annotations

from typing import Protocol

from fhir_dmp.json_text import JsonObject
from fhir_dmp.snapshot.node import Node
from fhir_dmp.snapshot.tree import parse_id

BASE = "http://hl7.org/fhir/StructureDefinition/"
_SYSTEM_TYPE = "http://hl7.org/fhirpath/System."
_PROFILE_ELEMENT = "http://hl7.org/fhir/StructureDefinition/elementdefinition-profile-element"
_REFERRING = frozenset({"Reference", "canonical", "CodeableReference"})
"""Types whose profiles, in older definitions, were those of the target."""


class Trees(Protocol):
    """The definitions at hand, as trees."""

    def tree(self, canonical: str) -> Node | None:
        """Returns the snapshot of a definition, None where it is unknown. Raises FhirError where there is none."""

    def row(self, canonical: str) -> JsonObject | None:
        """Returns the root row of a definition's snapshot, without the rest of it; None where it is unknown."""

    def base(self, canonical: str) -> str | None:
        """Returns the canonical of what a definition is based on, empty where it has no base; None if unknown."""


def type_canonical(code: str) -> str:
    """Returns the canonical of a type's definition: logical models name types by it, FHIR by the code."""
    if code.startswith(_SYSTEM_TYPE):
        return BASE + "Element"
    return code if "/" in code or ":" in code else BASE + code


def type_profile(row: JsonObject) -> JsonObject | None:
    """Returns the only type of an element where it has exactly one profile, on the element itself, or None."""
    types = row.get("type", [])
    if len(types) == 1 and types[0]["code"] not in _REFERRING and len(types[0].get("profile", [])) == 1:
        only: JsonObject = types[0]
        return only
    return None


def profile_row(profiled: JsonObject, trees: Trees) -> JsonObject | None:
    """Returns the root row of a type's profile, or that of the element which the type names inside it."""
    inner = _named_element(profiled)
    if not inner:
        return trees.row(profiled["profile"][0])
    node = _profile_node(profiled, trees)
    return node.row if node else None


def find_content(row: JsonObject, within: Node, trees: Trees) -> tuple[JsonObject, dict[str, Node]]:
    """Returns the row and the children of an element that has none of its own yet, no child where none is known.

    A content reference is replaced by the types of its target, since its children may now differ from the target's.
    The target is that of the type's definition; a logical model, which no type is named for, is sought in `within`.
    """
    if "contentReference" in row:
        return _follow(row, within, trees)
    profiled = type_profile(row)
    node = _profile_node(profiled, trees) if profiled else None
    if node is None:
        codes = {item["code"] for item in row.get("type", [])}
        node = trees.tree(type_canonical(codes.pop() if len(codes) == 1 else "Element")) if codes else None
    return row, node.children if node else {}


def _follow(row: JsonObject, within: Node, trees: Trees) -> tuple[JsonObject, dict[str, Node]]:
    identifier = row["contentReference"].partition("#")[2]
    tree = trees.tree(type_canonical(identifier.partition(".")[0])) or within
    target = tree.find(parse_id(identifier))
    if target is None:
        return row, {}
    followed = {key: value for key, value in row.items() if key != "contentReference"}
    return followed | {"type": target.row.get("type", [])}, target.children


def _profile_node(profiled: JsonObject, trees: Trees) -> Node | None:
    tree = trees.tree(profiled["profile"][0])
    inner = _named_element(profiled)
    return tree.find(parse_id(inner)) if tree and inner else tree


def _named_element(profiled: JsonObject) -> str:
    """The id of the element inside a profile that a type means, by an extension of the profile's canonical."""
    for holder in profiled.get("_profile") or []:
        for item in (holder or {}).get("extension", []):
            if item.get("url") == _PROFILE_ELEMENT:
                return str(item.get("valueString", ""))
    return ""
