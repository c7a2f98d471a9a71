"""What a Subscription asks for: what of, sent where, in which form. https://hl7.org/fhir/R4/subscription.html.

Either what meets criteria, as R4 has it, or what a topic is about, as R5 does and
https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/ writes it in R4. Only rest-hooks are known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fhir_dmp.json_text import Json, JsonObject
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.subscription.notification import CONTENTS, Content, find_content
from fhir_dmp.subscription.topics import TOPICS, Topic

PAYLOADS = ("application/fhir+json", "application/fhir+xml")
SHORTEST_HEARTBEAT = 10
"""Seconds."""
_GUIDE = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-"


@dataclass(frozen=True, slots=True)
class Wanted:
    """`criteria` are searches of one type (`Observation?code=…`), all of which have to be met; those of a topic too.

    Without `payload` only that it happened is sent; of a topic something always is, and `content` says how much.
    `heartbeat` is the longest silence in seconds, 0 where there is no limit. `ends` is the instant, as written, from
    which on nothing is sent; "" where there is none.
    """

    criteria: tuple[str, ...]
    endpoint: str
    topic: Topic | None = None
    payload: str = ""
    content: Content = "empty"
    heartbeat: int = 0
    ends: str = ""


def read_wanted(resource: JsonObject) -> Wanted:
    """Reads a Subscription of right structure; raises FhirError (unprocessable) for what is not known here."""
    channel, topic = resource["channel"], _read_topic(resource["criteria"])
    if channel["type"] != "rest-hook":
        raise _refuse("Notifications are sent to rest-hooks.", "channel.type")
    payload = channel.get("payload") or (PAYLOADS[0] if topic else "")
    if payload and payload not in PAYLOADS:
        raise _refuse(f"A payload is {' or '.join(PAYLOADS)}, or none.", "channel.payload")
    if not channel.get("endpoint"):
        raise _refuse("A rest-hook needs an endpoint.", "channel.endpoint")
    filters = tuple(_extensions(resource.get("_criteria"), "filter-criteria", "valueString"))
    return Wanted(
        criteria=(topic.criteria, *filters) if topic else (resource["criteria"],),
        endpoint=channel["endpoint"],
        topic=topic,
        payload=payload,
        content=_read_content(channel),
        heartbeat=_read_heartbeat(channel),
        ends=resource.get("end", ""),
    )


def _read_topic(criteria: str) -> Topic | None:
    """Criteria of R4 begin with a type, the canonical of a topic with a scheme."""
    if ":" not in criteria.partition("?")[0]:
        return None
    if criteria not in TOPICS:
        raise _refuse(f"The topics that can be subscribed to are {', '.join(TOPICS)}.", "criteria")
    return TOPICS[criteria]


def _read_content(channel: JsonObject) -> Content:
    found = next(_extensions(channel.get("_payload"), "payload-content", "valueCode"), "empty")
    content = find_content(found)
    if content is None:
        raise _refuse(f"The content is one of {', '.join(CONTENTS)}.", "channel.payload.extension")
    return content


def _read_heartbeat(channel: JsonObject) -> int:
    seconds = next(_extensions(channel, "heartbeat-period", "valueUnsignedInt"), 0)
    if not isinstance(seconds, int) or 0 < seconds < SHORTEST_HEARTBEAT:
        raise _refuse(f"A heartbeat comes every {SHORTEST_HEARTBEAT} seconds at most.", "channel.extension")
    return seconds


def _extensions(element: Json, name: str, member: str) -> Iterator[Json]:
    """The values of an element's extensions of the guide."""
    rows = element.get("extension", ()) if isinstance(element, dict) else ()
    return (row[member] for row in rows if row.get("url") == _GUIDE + name and member in row)


def _refuse(message: str, element: str) -> FhirError:
    return error(Category.UNPROCESSABLE, "subscription-unsupported", message, f"Subscription.{element}")
