"""What codes are called, by the CodeSystems that are known here."""

from __future__ import annotations

from fhir_dmp.interactions.context import Context
from fhir_dmp.json_text import JsonObject


def name_codes(context: Context, system: str) -> dict[str, str]:
    """Returns the displays of a code system's codes, as far as they are here."""
    known = context.rules().find(system) or {}
    return {row["code"]: row["display"] for row in known.get("concept", ()) if "display" in row}


def build_coding(system: str, code: str, names: dict[str, str]) -> JsonObject:
    """Builds a Coding, with a display where there is one."""
    return {"system": system, "code": code} | ({"display": names[code]} if code in names else {})
