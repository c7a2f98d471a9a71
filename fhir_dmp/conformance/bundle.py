"""Bundles: which entry a reference leads to. https://hl7.org/fhir/R4/bundle.html#references."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fhir_dmp.json_text import JsonObject

_RESTFUL = re.compile(r"(?:(?P<base>https?://.+)/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9.-]{1,64})")


class BundleIndex:
    """The resources of a Bundle by fullUrl, and the fullUrl of each."""

    def __init__(self, bundle: JsonObject) -> None:
        """Reads the entries once. Several versions of a resource may stand under one fullUrl."""
        self.type: str = bundle.get("type", "")
        self._by_url: dict[str, list[JsonObject]] = {}
        self._urls: dict[int, str] = {}
        self._by_name: dict[str, list[JsonObject]] = {}
        for entry in bundle.get("entry", ()):
            resource, url = entry.get("resource"), entry.get("fullUrl", "")
            if resource is None:
                continue
            self._urls[id(resource)] = url
            if url:
                self._by_url.setdefault(url, []).append(resource)
            self._by_name.setdefault(f"{resource.get('resourceType')}/{resource.get('id')}", []).append(resource)

    def full_url(self, resource: JsonObject) -> str:
        """Returns the fullUrl of a resource in this Bundle, empty where it has none."""
        return self._urls.get(id(resource), "")

    def find(self, reference: str, full_url: str) -> JsonObject | None:
        """Returns the entry's resource that a reference in the resource with this fullUrl leads to, or None."""
        found = self.find_all(reference, full_url)
        return found[0] if found else None

    def find_all(self, reference: str, full_url: str) -> list[JsonObject]:
        """Returns all entries' resources that a reference may lead to: several versions may stand in a Bundle."""
        reference = reference.partition("#")[0]
        plain, _, version = reference.partition("/_history/")
        found = self._candidates(plain, full_url)
        if version:
            found = [item for item in found if item.get("meta", {}).get("versionId") == version]
        return found

    def _candidates(self, reference: str, full_url: str) -> list[JsonObject]:
        if reference in self._by_url:
            return self._by_url[reference]
        match = _RESTFUL.fullmatch(reference)
        if match is None or match["base"]:
            return []
        around = _RESTFUL.fullmatch(full_url)
        if around and around["base"]:
            return self._by_url.get(f"{around['base']}/{reference}", [])
        return [] if full_url else self._by_name.get(reference, [])


def explain_full_url(entry: Mapping[str, JsonObject | str]) -> str:
    """Returns in what the fullUrl of an entry disagrees with its resource, empty where it does not."""
    url, resource = entry.get("fullUrl"), entry.get("resource")
    if isinstance(url, str) and ":" not in url:
        return "it is not absolute"
    match = _RESTFUL.fullmatch(url) if isinstance(url, str) else None
    if match is None or not match["base"] or not isinstance(resource, dict):
        return ""
    if match["type"] != resource["resourceType"]:
        return ""  # a server may put its resources under any url
    if "id" in resource and resource["id"] != match["id"]:
        return f"it ends in {match['id']}, and the id of the resource is {resource['id']}"
    return ""
