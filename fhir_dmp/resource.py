"""Identity and Version: what the store keeps of a resource. https://hl7.org/fhir/R4/resource.html."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from fhir_dmp.instant import Milliseconds, write_instant
from fhir_dmp.json_text import JsonObject, write_json

LONGEST_ID = 64
_ID = re.compile(rf"[A-Za-z0-9\-.]{{1,{LONGEST_ID}}}")

Method = Literal["POST", "PUT", "PATCH", "DELETE"]


class Identity(NamedTuple):
    """A resource's type and id; printed as the relative reference `Patient/23`."""

    resource_type: str
    resource_id: str

    def __str__(self) -> str:
        """Returns the relative reference."""
        return f"{self.resource_type}/{self.resource_id}"


class Version(NamedTuple):
    """One version of a resource. `content` is the JSON exactly as it is served; None where the version is a deletion.

    `version_id` counts from 1; `method` is the interaction that made it, as a history says. `patient` is the id of the
    Patient whose record it is in, where the store told it. `content_key` names what is stored apart from a Binary.
    `owner` is who made a Binary or a document, and of a Subscription what is kept beside its content
    (fhir_dmp.subscription.subscriber), "" of anything else: no content says it, which anyone could write or read.
    `revives` says that it followed a deletion.
    """

    identity: Identity
    version_id: int
    last_updated: Milliseconds
    method: Method
    content: bytes | None
    patient: str = ""
    content_key: str = ""
    owner: str = ""
    revives: bool = False

    @property
    def creates(self) -> bool:
        """Whether there was no resource before it: its interaction was answered 201."""
        return self.content is not None and (self.version_id == 1 or self.revives)

    @property
    def etag(self) -> str:
        """The weak validator of https://hl7.org/fhir/R4/http.html#concurrency."""
        return f'W/"{self.version_id}"'


def is_id(text: str) -> bool:
    """Tells whether a text has the form of an id: https://hl7.org/fhir/R4/datatypes.html#id."""
    return _ID.fullmatch(text) is not None


def stamp(resource: JsonObject, identity: Identity, version_id: int, last_updated: Milliseconds) -> JsonObject:
    """Returns the resource with its server-assigned id, versionId and lastUpdated; every other key keeps its place."""
    meta = {**resource.get("meta", {}), "versionId": str(version_id), "lastUpdated": write_instant(last_updated)}
    if "id" in resource and "meta" in resource:
        return {**resource, "id": identity.resource_id, "meta": meta}
    rest = {key: value for key, value in resource.items() if key not in {"resourceType", "id", "meta"}}
    return {"resourceType": identity.resource_type, "id": identity.resource_id, "meta": meta, **rest}


def build_version(
    resource: JsonObject, identity: Identity, previous: Version | None, method: Method, now: Milliseconds
) -> tuple[JsonObject, Version]:
    """Returns the stamped resource and the version after `previous`; lastUpdated always grows, whatever the clock."""
    number = previous.version_id + 1 if previous else 1
    last_updated = max(now, previous.last_updated + 1) if previous else now
    stamped = stamp(resource, identity, number, last_updated)
    owner = previous.owner if previous else ""
    revives = previous is not None and previous.content is None
    return stamped, Version(identity, number, last_updated, method, write_json(stamped), owner=owner, revives=revives)


def build_deletion(previous: Version, now: Milliseconds) -> Version:
    """Returns the version that says the resource is gone."""
    last_updated = max(now, previous.last_updated + 1)
    identity, number = previous.identity, previous.version_id + 1
    return Version(identity, number, last_updated, "DELETE", None, previous.patient, owner=previous.owner)
