"""A FHIR URL's path as a shape and its parts: https://hl7.org/fhir/R4/http.html#summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fhir_dmp.outcome import Category, error


@dataclass(frozen=True, slots=True)
class Parts:
    """What a path names; empty where it names nothing."""

    resource_type: str = ""
    resource_id: str = ""
    version_id: str = ""


def parse_path(segments: Sequence[str]) -> tuple[str, Parts]:
    """Returns the shape of a path (`[type]/[id]/_history`) with what it names; raises FhirError (not found)."""
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
    return "/".join(shape), Parts(*names)


_PLACES = ("[type]", "[id]", "[vid]")
