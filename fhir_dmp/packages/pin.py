"""Pins canonicals: `url` becomes `url|version` where a definition means another version than the one in force.

Done on a definition that was just read, so that whoever follows a canonical in it need not know where it is from.
https://hl7.org/fhir/R4/references.html#canonical
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fhir_dmp.json_text import Json, JsonObject

Pin = Callable[[str], str]
"""From a url to the version that is meant, empty where nothing is to be said."""


def pin_canonicals(resource: JsonObject, pin: Pin) -> None:
    """Changes the canonicals in a StructureDefinition, ValueSet or CodeSystem; what is malformed stays as it is."""
    match resource["resourceType"]:
        case "StructureDefinition":
            _pin(resource, "baseDefinition", pin)
            for row in [*_rows(resource.get("snapshot"), "element"), *_rows(resource.get("differential"), "element")]:
                _pin_element(row, pin)
        case "ValueSet":
            compose = resource.get("compose")
            for row in [*_rows(compose, "include"), *_rows(compose, "exclude")]:
                _pin_each(row, "valueSet", pin)
                _pin_system(row, pin)
        case _:
            _pin(resource, "supplements", pin)


def _pin_element(element: JsonObject, pin: Pin) -> None:
    for row in _rows(element, "type"):
        _pin_each(row, "profile", pin)
        _pin_each(row, "targetProfile", pin)
    binding = element.get("binding")
    if isinstance(binding, dict):
        _pin(binding, "valueSet", pin)
        for extension in _rows(binding, "extension"):
            _pin(extension, "valueCanonical", pin)


def _pin_system(row: JsonObject, pin: Pin) -> None:
    system = row.get("system")
    version = pin(system) if isinstance(system, str) and "version" not in row else ""
    if version:
        row["version"] = version


def _pin(holder: JsonObject, name: str, pin: Pin) -> None:
    if name in holder:
        holder[name] = _pinned(holder[name], pin)


def _pin_each(holder: JsonObject, name: str, pin: Pin) -> None:
    if isinstance(holder.get(name), list):
        holder[name] = [_pinned(item, pin) for item in holder[name]]


def _pinned(canonical: Json, pin: Pin) -> Json:
    if not isinstance(canonical, str) or "|" in canonical or "#" in canonical:
        return canonical
    version = pin(canonical)
    return f"{canonical}|{version}" if version else canonical


def _rows(holder: Json, name: str) -> Iterator[JsonObject]:
    rows = holder.get(name) if isinstance(holder, dict) else None
    if isinstance(rows, list):
        yield from (row for row in rows if isinstance(row, dict))
