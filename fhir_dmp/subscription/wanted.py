"""What a Subscription asks for: what of, sent where, in which form. https://hl7.org/fhir/R4/subscription.html.

Of this release alone are rest-hooks; whatever else a Subscription says is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import Category, FhirError, error

PAYLOADS = ("application/fhir+json", "application/fhir+xml")


@dataclass(frozen=True, slots=True)
class Wanted:
    """`criteria` is a search of one type (`Observation?code=…`). Without `payload` only that it happened is sent.

    `ends` is the instant, as written, from which on nothing is sent; "" where there is none.
    """

    criteria: str
    endpoint: str
    payload: str = ""
    ends: str = ""


def read_wanted(resource: JsonObject) -> Wanted:
    """Reads a Subscription of right structure; raises FhirError (unprocessable) for a channel of another kind."""
    channel = resource["channel"]
    if channel["type"] != "rest-hook":
        raise _refuse("Notifications are sent to rest-hooks.", "channel.type")
    payload = channel.get("payload", "")
    if payload and payload not in PAYLOADS:
        raise _refuse(f"A payload is {' or '.join(PAYLOADS)}, or none.", "channel.payload")
    if not channel.get("endpoint"):
        raise _refuse("A rest-hook needs an endpoint.", "channel.endpoint")
    return Wanted(resource["criteria"], channel["endpoint"], payload, resource.get("end", ""))


def _refuse(message: str, element: str) -> FhirError:
    return error(Category.UNPROCESSABLE, "subscription-unsupported", message, f"Subscription.{element}")
