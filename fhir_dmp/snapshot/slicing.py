"""Slices of a differential: what a slice starts from, and the slicing that goes without saying.

https://hl7.org/fhir/R4/profiling.html#slicing
"""

from __future__ import annotations

from dataclasses import replace

from fhir_dmp.json_text import JsonObject
from fhir_dmp.snapshot.choice import SUFFIX, type_slicing, types_named
from fhir_dmp.snapshot.node import Node, reslice_prefixes

_BY_URL = {"discriminator": [{"type": "value", "path": "url"}], "ordered": False, "rules": "open"}


def implied_slicing(name: str) -> JsonObject | None:
    """Returns the slicing of extensions (by url) and of choices (by type), which need not be stated; else None."""
    if name in {"extension", "modifierExtension"}:
        return _BY_URL
    return type_slicing("open") if name.endswith(SUFFIX) else None


def start_slice(unsliced: Node, change: Node) -> Node:
    """Returns what a new slice starts from: the element it is a slice of, optional, with the type it is named for."""
    row = {key: value for key, value in unsliced.row.items() if key != "slicing"} | {"min": 0}
    types = types_named(unsliced, change.slice_name)
    if types and unsliced.name.endswith(SUFFIX):
        row["type"] = types
    return Node(unsliced.name, change.slice_name, row, unsliced.children)


def nest_reslices(base: Node, changes: dict[str, Node]) -> dict[str, Node]:
    """Returns the changes of slices with those of a reslice `a/b` inside the slice `a`, where there is one."""
    if not any("/" in name for name in changes):
        return changes
    nested: dict[str, Node] = {}
    for name, change in changes.items():
        outer = next((prefix for prefix in reslice_prefixes(name) if prefix in base.slices or prefix in changes), "")
        home = outer or name
        if home not in nested:
            own = changes.get(home) or Node(change.name, outer)
            nested[home] = replace(own, slices=dict(own.slices))
        if outer:
            nested[home].slices[name] = change
    return nested
