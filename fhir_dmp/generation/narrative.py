"""Narratives: what a resource says, in French, https://hl7.org/fhir/R4/narrative.html."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from fhir_dmp.json_text import JsonObject

_DIV = '<div xmlns="http://www.w3.org/1999/xhtml" lang="fr">'


def narrate(*sentences: str) -> JsonObject:
    """Builds the narrative of a resource, a paragraph for each text."""
    return {"status": "generated", "div": _DIV + "".join(f"<p>{escape(text)}</p>" for text in sentences) + "</div>"}


def list_out(items: Iterable[str]) -> JsonObject:
    """Builds the narrative of a section: a list."""
    rows = "".join(f"<li>{escape(item)}</li>" for item in items)
    return {"status": "generated", "div": f"{_DIV}<ul>{rows}</ul></div>"}
