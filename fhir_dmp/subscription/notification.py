"""What a subscriber to a topic is sent: a history Bundle that begins with the status, as Parameters.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/notifications.html, for R4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from fhir_dmp.instant import Milliseconds, write_instant
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.resource import Version

Content = Literal["empty", "id-only", "full-resource"]
"""http://hl7.org/fhir/uv/subscriptions-backport/CodeSystem/backport-content-code-system."""
CONTENTS: tuple[Content, ...] = get_args(Content)
Kind = Literal["handshake", "heartbeat", "event-notification", "query-status", "query-event"]

_PROFILE = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription-status-r4"
_STATUS = {"POST": "201", "PUT": "200", "PATCH": "200", "DELETE": "204"}


def find_content(text: str) -> Content | None:
    """Returns the content of a code; None of any other text."""
    return next((content for content in CONTENTS if content == text), None)


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a topic: `number` counts from 1 in its subscription; `focus` is what the subscriber may see of it."""

    number: int
    at: Milliseconds
    focus: Version


@dataclass(frozen=True, slots=True)
class Standing:
    """How a subscription stands: `events` is how many it was told so far, those of the notification included.

    `topic` is a canonical, "" where it has criteria instead; `fault` says why it is in error.
    """

    subscription_id: str
    topic: str
    status: str
    events: int
    fault: str = ""


def build_notification(
    base_url: str, standing: Standing, kind: Kind, events: Sequence[Event], content: Content, status_id: str
) -> JsonObject:
    """Builds the Bundle; `status_id` is the UUID of its first entry."""
    status = {
        "fullUrl": f"urn:uuid:{status_id}",
        "resource": build_status(base_url, standing, kind, events, content) | {"id": status_id},
        "request": {"method": "GET", "url": f"{_url(base_url, standing)}/$status"},
        "response": {"status": "200"},
    }
    shown = [] if content == "empty" else [_build_entry(base_url, event.focus, content) for event in events]
    return {"resourceType": "Bundle", "type": "history", "entry": [status, *shown]}


def build_status(
    base_url: str, standing: Standing, kind: Kind, events: Sequence[Event] = (), content: Content = "empty"
) -> JsonObject:
    """Builds the Parameters that stand for R5's SubscriptionStatus."""
    parameters: list[JsonObject] = [
        {"name": "subscription", "valueReference": {"reference": _url(base_url, standing)}},
        *([{"name": "topic", "valueCanonical": standing.topic}] if standing.topic else []),
        {"name": "status", "valueCode": standing.status},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(standing.events)},
        *(_build_event(base_url, event, content) for event in events),
        *([{"name": "error", "valueCodeableConcept": {"text": standing.fault}}] if standing.fault else []),
    ]
    return {"resourceType": "Parameters", "meta": {"profile": [_PROFILE]}, "parameter": parameters}


def _url(base_url: str, standing: Standing) -> str:
    return f"{base_url}/Subscription/{standing.subscription_id}"


def _build_event(base_url: str, event: Event, content: Content) -> JsonObject:
    part: list[JsonObject] = [
        {"name": "event-number", "valueString": str(event.number)},
        {"name": "timestamp", "valueInstant": write_instant(event.at)},
    ]
    if content != "empty":
        focus = {"reference": f"{base_url}/{event.focus.identity}"}
        part.append({"name": "focus", "valueReference": focus})
    return {"name": "notification-event", "part": part}


def _build_entry(base_url: str, focus: Version, content: Content) -> JsonObject:
    is_new = focus.method == "POST"
    is_whole = content == "full-resource" and focus.content is not None
    resource = {"resource": parse_json_object(focus.content or b"")} if is_whole else {}
    return {
        "fullUrl": f"{base_url}/{focus.identity}",
        **resource,
        "request": {"method": focus.method, "url": focus.identity.resource_type if is_new else str(focus.identity)},
        "response": {"status": _STATUS["POST" if focus.creates else focus.method]},
    }
