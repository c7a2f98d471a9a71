"""Definitions of tests, found as a registry finds them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fhir_dmp.terminology.terminology import Terminology

CASES = Path(__file__).parent / "cases"


def read_cases(name: str) -> dict[str, Any]:
    """Returns a file of cases."""
    cases: dict[str, Any] = json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))
    return cases


def build_terminology(definitions: Iterable[dict[str, Any]], time_zones: Iterable[str] = ()) -> Terminology:
    """Returns a terminology of these definitions; of several versions the last is in force."""
    found: dict[str, dict[str, Any]] = {}
    supplements: dict[str, list[dict[str, Any]]] = {}
    for definition in definitions:
        found[definition["url"]] = definition
        if "version" in definition:
            found[f"{definition['url']}|{definition['version']}"] = definition
        if "supplements" in definition:
            supplements.setdefault(definition["supplements"].partition("|")[0], []).append(definition)
    return Terminology(found.get, supplements=lambda url: supplements.get(url, ()), time_zones=frozenset(time_zones))
