"""Parts of a resource: `_summary` and `_elements`, https://hl7.org/fhir/R4/search.html#summary."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from fhir_dmp.json_text import Json, JsonObject, parse_json_object, write_json
from fhir_dmp.outcome import Category, error
from fhir_dmp.spec.element import Element
from fhir_dmp.spec.registry import Registry

Summary = Literal["true", "text", "data"]
_ALWAYS = frozenset({"resourceType", "id", "meta"})
SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
"""The tag of what is a part of a resource."""


@dataclass(frozen=True, slots=True)
class Subset:
    """What to keep: the elements of a summary, or the named root elements."""

    summary: Summary | None
    elements: frozenset[str]


def parse_subset(parameters: Iterable[tuple[str, str]]) -> Subset | None:
    """Returns the subset that a read asks for, None for the whole; raises FhirError for anything else in the URL."""
    summary, elements = "false", ""
    for name, value in parameters:
        if name == "_summary":
            summary = value
        elif name == "_elements":
            elements = value
        else:
            raise error(
                Category.INVALID_PARAMETER,
                "parameter-unknown",
                f"A read has no parameter {name[:64]}.",
                f"http.{name[:64]}",
            )
    if summary == "false":
        return Subset(None, frozenset(filter(None, elements.split(",")))) if elements else None
    if summary not in {"true", "text", "data"}:
        message = "_summary takes true, text, data or false on a read."
        raise error(Category.INVALID_PARAMETER, "parameter-value", message, "http._summary")
    return Subset(summary, frozenset())  # type: ignore[arg-type]  # mypy does not narrow a str by a set


def subset_content(content: bytes, subset: Subset, registry: Registry) -> bytes:
    """Returns the JSON of a part of a resource, tagged SUBSETTED."""
    resource = parse_json_object(content)
    kept = _take(resource, resource["resourceType"], subset, registry)
    meta = dict(resource.get("meta", {}))
    meta["tag"] = [*meta.get("tag", ()), SUBSETTED]
    kept["meta"] = meta
    return write_json(kept)


def _take(resource: JsonObject, group: str, subset: Subset, registry: Registry) -> JsonObject:
    if subset.summary == "true":
        return _summarise(resource, group, registry)
    properties = registry.group(group).properties
    kept = {}
    for key, value in resource.items():
        known = properties.get(key.removeprefix("_"))
        if key in _ALWAYS or (known and _is_kept(known.element, subset)):
            kept[key] = value
    return kept


def _is_kept(element: Element, subset: Subset) -> bool:
    """Mandatory elements stay, and modifiers too, without which what is left could be misread."""
    return element.min > 0 or (element.is_modifier and not subset.summary) or _is_wanted(element.name, subset)


def _is_wanted(name: str, subset: Subset) -> bool:
    if subset.summary == "text":
        return name == "text"
    if subset.summary == "data":
        return name != "text"
    return name in subset.elements


def _summarise(node: JsonObject, group: str, registry: Registry) -> JsonObject:
    """Keeps isSummary elements at every level, mandatory ones inside what is kept, and modifiers."""
    properties = registry.group(group).properties
    kept = {}
    for key, value in node.items():
        known = properties.get(key.removeprefix("_"))
        if key in _ALWAYS or (known and _is_summary(known.element)):
            backbone = known is not None and known.group.partition(".")[0] == group.partition(".")[0]
            kept[key] = _summarise_value(value, known.group, registry) if known and backbone else value
    return kept


def _is_summary(element: Element) -> bool:
    return element.is_summary or element.min > 0 or element.is_modifier


def _summarise_value(value: Json, group: str, registry: Registry) -> Json:
    if isinstance(value, list):
        return [_summarise_value(item, group, registry) for item in value]
    return _summarise(value, group, registry) if isinstance(value, dict) else value
