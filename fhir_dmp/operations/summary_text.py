"""What a section of a summary says, in French: https://hl7.org/fhir/R4/narrative.html."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from fhir_dmp.json_text import JsonObject

_DIV = '<div xmlns="http://www.w3.org/1999/xhtml" lang="fr" xml:lang="fr">'
_NAMED = ("code", "vaccineCode", "medicationCodeableConcept")
_DATES = ("effective", "onset", "occurrence", "performed", "authoredOn", "recordedDate", "started", "date")
_NOTHING = "Aucune information."


def write_text(resources: Iterable[JsonObject]) -> JsonObject:
    """Returns the narrative of a section: a line for each resource."""
    return write_lines(write_line(resource) for resource in resources)


def write_lines(lines: Iterable[str], note: str = "") -> JsonObject:
    """Returns a narrative: a list of lines, after it a note."""
    listed = "".join(f"<li>{escape(line)}</li>" for line in lines)
    body = f"<ul>{listed}</ul>" if listed else f"<p>{_NOTHING}</p>"
    return {"status": "generated", "div": f"{_DIV}{body}{f'<p>{escape(note)}</p>' if note else ''}</div>"}


def write_line(resource: JsonObject) -> str:
    """Returns what a resource is: its name, its value where it has one, and its day."""
    return _join(_name(resource), _value(resource), _date(resource))


def _join(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _name(resource: JsonObject) -> str:
    found: JsonObject = next((resource[key] for key in _NAMED if key in resource), {})
    reference = resource.get("medicationReference", {})
    told = _words(found) or str(reference.get("display") or resource.get("description", ""))
    return told or _words(_kind(resource)) or "Sans précision"


def _kind(resource: JsonObject) -> JsonObject:
    """What kind of document or of image it is."""
    found = resource.get("type", resource.get("procedureCode", [{}])[0])
    return found if isinstance(found, dict) else {}


def _words(concept: JsonObject) -> str:
    """What a concept is called: its text, else the first display, else the first code."""
    codings = concept.get("coding", ())
    displays = [row[key] for key in ("display", "code") for row in codings if key in row]
    return str(concept.get("text") or next(iter(displays), ""))


def _value(resource: JsonObject) -> str:
    quantity = resource.get("valueQuantity")
    if isinstance(quantity, dict) and "value" in quantity:
        number = getattr(quantity["value"], "literal", quantity["value"])
        return f"{quantity.get('comparator', '')}{number} {quantity.get('unit', quantity.get('code', ''))}".strip()
    if "valueCodeableConcept" in resource:
        return _words(resource["valueCodeableConcept"])
    return str(resource.get("valueString", ""))


def _date(resource: JsonObject) -> str:
    """The day on which it was, or from which on it is."""
    for name in _DATES:
        for key, value in resource.items():
            if key.startswith(name):
                written = value.get("start", "") if isinstance(value, dict) else value
                return str(written)[: len("2026-01-31")]
    return ""
