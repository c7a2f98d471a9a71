"""What a differential's row changes in the row it refines, property by property.

https://hl7.org/fhir/R4/elementdefinition.html#interpretation: a constraint narrows. What accumulates is joined, what
is tightened is compared, everything else is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.snapshot.place import Place

_Rule = Callable[[Json, Json, Place], Json]


def refine(row: JsonObject, change: JsonObject, place: Place) -> JsonObject:
    """Returns the row with the differential's changes; what they may not do is recorded at the place.

    A fixed value replaces a fixed value whatever the type of either, a pattern a pattern. A binding that has no
    strength, only a description, is none.
    """
    if not change:
        return row
    kinds = [kind for kind in ("fixed", "pattern") if any(key.startswith(kind) for key in change)]
    refined = {key: value for key, value in row.items() if not key.startswith(tuple(kinds))}
    for key, value in change.items():
        if key != "base":
            rule = _RULES.get(key)
            refined[key] = rule(row[key], value, place) if rule and key in row else value
    if "constraint" in change:
        own = [{"source": place.scope.url} | item for item in change["constraint"]]
        refined["constraint"] = join_constraints(row.get("constraint", []), own)
    if "strength" not in refined.get("binding", {"strength"}):
        del refined["binding"]
    if exceeds(str(refined.get("min", 0)), refined.get("max", "*")):
        place.refuse("snapshot-cardinality", f"min {refined['min']} is more than max {refined['max']}.")
    return refined


def exceeds(one: str, other: str) -> bool:
    """Tells whether a `max` is more than another."""
    return other != "*" and (one == "*" or int(one) > int(other))


def lesser(one: str, other: str) -> str:
    """Returns the smaller of two `max`."""
    return other if exceeds(one, other) else one


def join_constraints(base: list[JsonObject], new: list[JsonObject]) -> list[JsonObject]:
    """Returns the constraints of both: they accumulate by key."""
    known = {row["key"] for row in base}
    return base + [row for row in new if row["key"] not in known]


def _tighten_min(base: int, value: int, place: Place) -> int:
    if value < base:
        place.refuse("snapshot-cardinality", f"min {value} is less than the {base} of its base.")
    return value


def _tighten_max(base: str, value: str, place: Place) -> str:
    if exceeds(value, base):
        place.refuse("snapshot-cardinality", f"max {value} is more than the {base} of its base.")
    return value


def _keep_support(base: bool, value: bool, _place: Place) -> bool:  # noqa: FBT001  # a rule takes two JSON values
    return base or value


def _join_binding(base: JsonObject, new: JsonObject, place: Place) -> JsonObject:
    """What the differential does not say of the binding stays; so does a maximum value set, an extension."""
    joined = base | new
    if "extension" in base and "extension" in new:
        joined["extension"] = _join_extensions(base["extension"], new["extension"], place)
    return joined


def _join(base: list[Json], new: list[Json], _place: Place) -> list[Json]:
    return base + [item for item in new if item not in base]


def _join_extensions(base: list[JsonObject], new: list[JsonObject], _place: Place) -> list[JsonObject]:
    replaced = {item["url"] for item in new}
    return [item for item in base if item["url"] not in replaced] + new


def _append_text(base: str, new: str, _place: Place) -> str:
    """A text that starts with three dots is added to the text of the base."""
    return f"{base}\r\n{new.removeprefix('...')}" if new.startswith("...") else new


def _join_slicing(base: JsonObject, new: JsonObject, _place: Place) -> JsonObject:
    """The discriminators and the stricter rules of the base stay; there may be others beside those."""
    stricter: JsonObject = {"rules": max(base.get("rules", "open"), new.get("rules", "open"), key=_strictness)}
    if base.get("ordered"):
        stricter["ordered"] = True
    kept, own = base.get("discriminator", []), new.get("discriminator", [])
    if any(item not in own for item in kept):
        stricter["discriminator"] = kept
    return base | new | stricter


def _strictness(rules: str) -> int:
    return {"openAtEnd": 1, "closed": 2}.get(rules, 0)


_RULES: Mapping[str, _Rule] = MappingProxyType({
    "min": _tighten_min,
    "max": _tighten_max,
    "mustSupport": _keep_support,
    "binding": _join_binding,
    "slicing": _join_slicing,
    "condition": _join,
    "alias": _join,
    "mapping": _join,
    "example": _join,
    "extension": _join_extensions,
    "definition": _append_text,
    "comment": _append_text,
    "requirements": _append_text,
})  # fmt: skip
