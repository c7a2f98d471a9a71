"""SearchParameter: https://hl7.org/fhir/R4/searchparameter.html."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fhir_dmp.json_text import JsonObject

ParameterType = Literal["number", "date", "string", "token", "reference", "composite", "quantity", "uri", "special"]


@dataclass(frozen=True, slots=True)
class Component:
    """A part of a composite parameter: the canonical of its definition, and a path from the composite's element."""

    definition: str
    expression: str


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """A search parameter. `expression` is FHIRPath, empty for those without (`_content`, `_text`…).

    `code` is the name in a URL; `base` the resource types it applies to (none for ten unfinished ones of R4);
    `target` the types a reference may lead to.
    """

    url: str
    code: str
    type: ParameterType
    base: tuple[str, ...]
    expression: str
    target: tuple[str, ...]
    components: tuple[Component, ...]


def parse_search_parameter(definition: JsonObject) -> SearchParameter:
    """Returns the SearchParameter of its resource."""
    components = (Component(row["definition"], row["expression"]) for row in definition.get("component", ()))
    return SearchParameter(
        url=definition["url"],
        code=definition["code"],
        type=definition["type"],
        base=tuple(definition.get("base", ())),
        expression=definition.get("expression", ""),
        target=tuple(definition.get("target", ())),
        components=tuple(components),
    )
