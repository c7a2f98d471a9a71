"""Bundles as the server writes them: https://hl7.org/fhir/R4/bundle.html. Resources enter as stored bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote_plus

import orjson

from fhir_dmp.instant import write_instant
from fhir_dmp.json_text import JsonObject, write_json
from fhir_dmp.outcome import Issue, build_outcome
from fhir_dmp.resource import Version

Link = tuple[str, str]
"""A link's relation and URL."""

_SAFE = "/:,|$@!*()'"
_BARE = re.compile(r"[A-Za-z0-9_.\-~/:,|$@!*()']*")
"""What needs no percent-encoding, which most of what is searched for does not."""
_HISTORY_STATUS = {"POST": "201 Created", "PUT": "200 OK", "PATCH": "200 OK", "DELETE": "204 No Content"}


def build_searchset(
    base_url: str,
    versions: Iterable[Version],
    links: Sequence[Link],
    total: int | None,
    issues: Sequence[Issue],
    included: Iterable[Version] = (),
) -> bytes:
    """Builds the searchset of one page. What is included and issues are entries that no total counts."""
    entries = [
        {
            "fullUrl": f"{base_url}/{version.identity}",
            "resource": orjson.Fragment(version.content or b"{}"),
            "search": mode,
        }
        for rows, mode in ((versions, _MATCH), (included, _INCLUDE))
        for version in rows
    ]
    if issues:
        entries.append({"resource": build_outcome(issues), "search": {"mode": "outcome"}})
    return _build("searchset", entries, links, total)


_MATCH, _INCLUDE = {"mode": "match"}, {"mode": "include"}


def build_history(base_url: str, versions: Iterable[Version], links: Sequence[Link], total: int | None) -> bytes:
    """Builds a history, newest first; a deletion is an entry without resource."""
    return _build("history", [_history_entry(base_url, version) for version in versions], links, total)


def build_response(kind: str, entries: Sequence[JsonObject]) -> bytes:
    """Builds the answer to a batch or transaction: `kind` is batch-response or transaction-response."""
    return _build(kind, entries, (), None)


def build_link(base_url: str, path: str, parameters: Sequence[tuple[str, str]]) -> str:
    """Returns the URL of a search or history, its parameters percent-encoded but for what reads well bare."""
    query = "&".join([f"{_quote(name)}={_quote(value)}" for name, value in parameters])
    url = f"{base_url}/{path}" if path else base_url
    return f"{url}?{query}" if query else url


def _quote(text: str) -> str:
    return text if _BARE.fullmatch(text) else quote_plus(text, safe=_SAFE)


def _history_entry(base_url: str, version: Version) -> JsonObject:
    first = version.method == "POST"
    entry: JsonObject = {"fullUrl": f"{base_url}/{version.identity}"}
    if version.content is not None:
        entry["resource"] = orjson.Fragment(version.content)
    method = "PUT" if version.method == "PATCH" else version.method
    entry["request"] = {"method": method, "url": version.identity.resource_type if first else str(version.identity)}
    entry["response"] = {
        "status": _HISTORY_STATUS["POST" if version.creates else version.method],
        "etag": version.etag,
        "lastModified": write_instant(version.last_updated),
    }
    return entry


def _build(kind: str, entries: Sequence[JsonObject], links: Sequence[Link], total: int | None) -> bytes:
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": kind}
    if total is not None:
        bundle["total"] = total
    if links:
        bundle["link"] = [{"relation": relation, "url": url} for relation, url in links]
    if entries:
        bundle["entry"] = entries
    return write_json(bundle)
