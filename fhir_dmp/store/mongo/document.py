"""Versions as MongoDB documents, and back. Pure: filter.py and this module are all that knows the fields.

resource  _id Type/id · ty · v · lu · m method · b content · ck content_key · au owner · rv revives
          · and the fields of the facts (facts.py)
history   _id Type/id/v · r Type/id · ty · v · lu · m · b content (absent: a deletion) · ck · au · rv
          · su when it was superseded
          · and the facts of that version, of a deletion those of the version that it ended: who may see it
"""

from __future__ import annotations

from typing import Any

from fhir_dmp.instant import Milliseconds
from fhir_dmp.resource import Identity, Version
from fhir_dmp.search.facts import Facts
from fhir_dmp.store.mongo.facts import build_fields

Document = dict[str, Any]

PROJECTION = {"v": 1, "lu": 1, "m": 1, "b": 1, "pt": 1, "ck": 1, "au": 1, "rv": 1}
"""What is read of a current version: of the facts only whose record it is in."""
HISTORY_PROJECTION = {**PROJECTION, "r": 1}


def build_current(version: Version, facts: Facts) -> Document:
    """Builds the document of a current version."""
    return {**_build(version), "_id": str(version.identity), "b": version.content, **build_fields(facts)}


def build_superseded(version: Version, at: Milliseconds, facts: Facts | None) -> Document:
    """Builds the history's document of a version that another one followed at a time; `facts` are its own."""
    return {**build_deleted(version, facts), "b": version.content, "su": at}


def build_deleted(version: Version, facts: Facts | None) -> Document:
    """Builds the history's document of a deletion; `facts` are those of the version that it ended.

    Without facts it is a version that only an unrestricted requester sees.
    """
    reference = str(version.identity)
    kept = build_fields(facts) if facts else {}
    return {**_build(version), "_id": f"{reference}/{version.version_id}", "r": reference, **kept}


def parse_version(document: Document) -> Version:
    """Returns the version that a document of either collection holds."""
    reference: str = document["r"] if "r" in document else document["_id"]
    resource_type, resource_id = reference.split("/")
    get = document.get
    return Version(
        Identity(resource_type, resource_id),
        document["v"],
        document["lu"],
        document["m"],
        get("b"),
        get("pt") or "",
        get("ck", ""),
        get("au", ""),
        get("rv", False),
    )


def _build(version: Version) -> Document:
    beside = {"ck": version.content_key, "au": version.owner, "rv": version.revives}
    kept = {name: value for name, value in beside.items() if value}
    return {
        "ty": version.identity.resource_type,
        "v": version.version_id,
        "lu": version.last_updated,
        "m": version.method,
        **kept,
    }
