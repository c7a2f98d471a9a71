"""A FHIR URL's path as a shape and its parts: https://hl7.org/fhir/R4/http.html#summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fhir_dmp.outcome import Category, error
from fhir_dmp.resource import Identity


@dataclass(frozen=True, slots=True)
class Parts:
    """What a path names; empty where it names nothing. `compartment` is whose it is in `Patient/23/Observation`."""

    resource_type: str = ""
    resource_id: str = ""
    version_id: str = ""
    compartment: Identity | None = None


def parse_path(segments: Sequence[str]) -> tuple[str, Parts]:
    """Returns the shape of a path (`[type]/[id]/_history`) with what it names; raises FhirError (not found)."""
    if len(segments) in _COMPARTMENT_SEGMENTS and all(segment[0] not in "_$" for segment in segments[:3]):
        return _parse_compartment(segments)
    names: list[str] = []
    shape: list[str] = []
    for segment in segments:
        if segment[0] in "_$" or segment == "metadata":
            shape.append(segment)
        elif len(names) < len(_PLACES):
            shape.append(_PLACES[len(names)])
            names.append(segment)
        else:
            raise error(Category.NOT_FOUND, "url-unknown", "Nothing is at this URL.")
    resource_type, resource_id, version_id = (*names, "", "", "")[: len(_PLACES)]
    return "/".join(shape), Parts(resource_type, resource_id, version_id)


def _parse_compartment(segments: Sequence[str]) -> tuple[str, Parts]:
    """`Patient/23/Observation` or `Patient/23/*`, either perhaps with `_search`."""
    owner, name, member, *rest = segments
    member = "" if member == "*" else member
    return "/".join(("[compartment]", "[id]", "[type]" if member else "*", *rest)), Parts(
        member, compartment=Identity(owner, name)
    )


_PLACES = ("[type]", "[id]", "[vid]")
_COMPARTMENT_SEGMENTS = frozenset({3, 4})
