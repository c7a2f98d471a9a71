"""What is sent to the endpoint of a rest-hook: https://hl7.org/fhir/R4/subscription.html#2.46.7.1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from fhir_dmp.json_text import JsonObject
from fhir_dmp.resource import Identity
from fhir_dmp.subscription.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Shipment:
    """One request; without a `resource` it has no body."""

    method: Literal["POST", "PUT"]
    url: str
    resource: JsonObject | None = None


def build_update(wanted: Wanted, identity: Identity, resource: JsonObject) -> Shipment:
    """Builds the notification of a version that met criteria: with a payload the endpoint is a base, to be updated."""
    if not wanted.payload:
        return Shipment("POST", wanted.endpoint)
    parts = urlsplit(wanted.endpoint)
    place = parts._replace(path=f"{parts.path.rstrip('/')}/{identity}")
    return Shipment("PUT", urlunsplit(place), resource)
