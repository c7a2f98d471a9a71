"""Bundles that operations answer with: https://hl7.org/fhir/R4/bundle.html. Resources enter as stored bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from fhir_dmp.bundle import Link
from fhir_dmp.json_text import JsonObject, write_json
from fhir_dmp.resource import Version


def build_searchset(
    base_url: str, matches: Iterable[Version], included: Iterable[Version] = (), links: Sequence[Link] = (),
    total: int | None = None,
) -> bytes:  # fmt: skip
    """Builds a searchset: what was asked for, and what is needed to read it."""
    rows = [(version, {"mode": "match"}) for version in matches]
    rows += [(version, {"mode": "include"}) for version in included]
    return build_scored(base_url, rows, links, total)


def build_scored(
    base_url: str, rows: Iterable[tuple[Version, JsonObject]], links: Sequence[Link] = (), total: int | None = None
) -> bytes:
    """Builds a searchset of versions, each with its Bundle.entry.search."""
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset"}
    if total is not None:
        bundle["total"] = total
    if links:
        bundle["link"] = [{"relation": relation, "url": url} for relation, url in links]
    entries = [{**build_entry(base_url, version), "search": search} for version, search in rows]
    return write_json({**bundle, "entry": entries} if entries else bundle)


def build_entry(base_url: str, version: Version) -> JsonObject:
    """Builds an entry: a resource with the URL at which it is."""
    return {"fullUrl": f"{base_url}/{version.identity}", "resource": orjson.Fragment(version.content or b"{}")}
