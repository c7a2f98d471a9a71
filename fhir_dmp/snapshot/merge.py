"""Merges a differential into the snapshot it changes, element by element.

https://hl7.org/fhir/R4/profiling.html#snapshot. Both are trees: what the differential does not mention is shared with
the base, what it walks into takes the elements of its type, and slices start from the element they are slices of.
"""

from __future__ import annotations

from fhir_dmp.json_text import JsonObject
from fhir_dmp.snapshot.choice import expand_shortcuts
from fhir_dmp.snapshot.content import Trees, find_content, profile_row, type_profile
from fhir_dmp.snapshot.node import Node
from fhir_dmp.snapshot.permission import check_types
from fhir_dmp.snapshot.place import Place
from fhir_dmp.snapshot.refine import join_constraints, lesser, refine
from fhir_dmp.snapshot.slicing import implied_slicing, nest_reslices, start_slice

_OWN = frozenset({"base", "type", "slicing", "extension", "isSummary", "min", "mustSupport"})
"""What an element keeps where an extension is put in its place."""

_OWN_OF_TYPE = frozenset({"max", "short", "definition", "comment", "isModifier", "isModifierReason"})
"""What else it keeps where a profile of its type is."""


def merge(base: Node, change: Node, place: Place, trees: Trees) -> Node:
    """Returns the element with the changes of the differential, and all that is below it.

    What the differential may not say is recorded at its place. Raises FhirError where a definition that it walks into
    cannot be had, or beyond the limits.
    """
    check_types(base.row, change.row, place, trees)
    row = refine(_template(base.row, change.row, trees), change.row, place)
    children = base.children
    if change.children:
        if not children:
            row, children = find_content(row, place.scope.base, trees)
        children = _merge_children(children, change.children, place, trees)
    if not change.slices:
        return Node(base.name, base.slice_name, row, children, base.slices)
    if "slicing" not in row:
        first = next(iter(change.slices.values()))
        row = row | {"slicing": _implied_slicing(base.name, place.slice(first))}
    slices = _merge_slices(base, nest_reslices(base, change.slices), place, trees)
    return Node(base.name, base.slice_name, row, children, slices)


def _template(row: JsonObject, change: JsonObject, trees: Trees) -> JsonObject:
    """What a change of the type to a profiled one starts from: the root of that profile, in the element's place."""
    profiled = type_profile(change)
    root = profile_row(profiled, trees) if profiled else None
    if profiled is None or root is None:
        return row
    own = _OWN if profiled["code"] == "Extension" else _OWN | _OWN_OF_TYPE
    template = row | {key: value for key, value in root.items() if key not in own}
    template["constraint"] = join_constraints(row.get("constraint", []), root.get("constraint", []))
    if "max" not in own:
        template["max"] = lesser(row.get("max", "*"), root.get("max", "*"))
    return template


def _merge_children(children: dict[str, Node], changes: dict[str, Node], place: Place, trees: Trees) -> dict[str, Node]:
    merged = dict(children)
    for name, change in expand_shortcuts(children, changes).items():
        inner = place.step(change)
        base = children.get(name)
        if base is None and not place.scope.specializes:
            inner.refuse("snapshot-element-unknown", f"the base has no element {name[:64]} there.")
            continue
        merged[name] = merge(base or _new_element(change, inner), change, inner, trees)
    return merged


def _new_element(change: Node, place: Place) -> Node:
    """An element that a specialization adds: its own base."""
    path = ".".join(part.partition(":")[0] for part in place.element_id.split("."))
    cardinality = {"min": change.row.get("min", 0), "max": change.row.get("max", "1")}
    return Node(change.name, row={**cardinality, "base": {"path": path, **cardinality}})


def _merge_slices(base: Node, changes: dict[str, Node], place: Place, trees: Trees) -> dict[str, Node]:
    """The slices of an element. A new one starts from the element of the base.

    What the same differential says of the unsliced element applies to each slice, but is not repeated in it.
    """
    merged = dict(base.slices)
    is_closed = base.row.get("slicing", {}).get("rules") == "closed"
    for name, change in changes.items():
        inner = place.slice(change)
        if is_closed and name not in merged:
            inner.refuse("snapshot-slicing-closed", "the slicing is closed in the base: no slice may be added.")
        merged[name] = merge(merged.get(name) or start_slice(base, change), change, inner, trees)
    return merged


def _implied_slicing(name: str, place: Place) -> JsonObject:
    implied = implied_slicing(name)
    if implied is None:
        place.refuse("snapshot-slicing-missing", "it is a slice, but nothing says how the element is sliced.")
    return implied or {}
