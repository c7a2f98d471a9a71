"""What may change of a document's metadata: https://interop.esante.gouv.fr/ig/fhir/pdsm, flows 3 and 4.

Its status, its visibility and whether it is archived. All else is of the document itself: to change that is to replace
it.
"""

from __future__ import annotations

from fhir_dmp.json_text import Json, JsonObject

PDSM = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/"
IS_ARCHIVED = f"{PDSM}pdsm-ext-is-archived"
_MAY_CHANGE = frozenset({"status", "_status", "securityLabel"})
_OF_THE_SERVER = frozenset({"versionId", "lastUpdated", "tag", "security", "source", "extension"})
"""The members of meta that say nothing of the document; what profile it claims does."""


def is_shared(resource: JsonObject) -> bool:
    """Tells whether a resource is a document that claims a profile of PDSm."""
    profiles = resource.get("meta", {}).get("profile", ())
    return resource.get("resourceType") == "DocumentReference" and any(url.startswith(PDSM) for url in profiles)


def find_fixed(before: JsonObject, after: JsonObject) -> list[str]:
    """Returns the elements that differ and may not, in the order of their names."""
    names = (before.keys() | after.keys()) - _MAY_CHANGE
    return sorted(name for name in names if _fixed(name, before.get(name)) != _fixed(name, after.get(name)))


def _fixed(name: str, value: Json) -> Json:
    """What of an element has to stay: none and an empty one are the same."""
    if name == "meta":
        return {key: row for key, row in (value or {}).items() if key not in _OF_THE_SERVER}
    if name == "extension":
        return [row for row in value or () if row.get("url") != IS_ARCHIVED]
    return value
