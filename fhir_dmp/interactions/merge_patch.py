"""JSON Merge Patch (RFC 7396): part of a resource, as fhirpy and others send it where a member changes.

A member that is null goes away; an array is replaced as a whole. What it makes is checked as an update is, by whoever
called.
"""

from __future__ import annotations

from fhir_dmp.json_text import Json, JsonObject

MEDIA_TYPE = "application/merge-patch+json"


def apply_merge(target: Json, patch: JsonObject) -> JsonObject:
    """Returns what a merge patch makes of a value, which stays as it is; nesting is bounded where JSON is parsed."""
    merged: JsonObject = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = apply_merge(merged.get(name), value) if isinstance(value, dict) else value
    return merged
