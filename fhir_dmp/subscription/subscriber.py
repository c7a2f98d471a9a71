"""What is kept of a Subscription beside its content: who subscribed, with which token's rights, and its headers.

No content holds them, so that no way out has to hide them: the store keeps them apart (Version.owner).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fhir_dmp.access.requester import Requester, read_requester, write_requester
from fhir_dmp.access.subscribing import EMERGENCIES, name_subscriber
from fhir_dmp.json_text import Json, JsonObject, parse_json_object, write_json
from fhir_dmp.search.security import SUBSCRIBER


@dataclass(frozen=True, slots=True)
class Subscriber:
    """`who` subscribed, as his token said at the last write; `headers` are lines such as `Authorization: Bearer x`."""

    who: Requester
    headers: tuple[str, ...] = ()

    @property
    def now(self) -> Requester:
        """Who is asked for when something is to be sent: never in an emergency mode, which a moment justified."""
        return replace(self.who, purposes=self.who.purposes - EMERGENCIES)


def write_subscriber(subscriber: Subscriber) -> str:
    """Returns a subscriber as the text that a Version's owner is."""
    return write_json({"who": write_requester(subscriber.who), "headers": list(subscriber.headers)}).decode()


def read_subscriber(text: str) -> Subscriber:
    """Returns what write_subscriber wrote."""
    row = parse_json_object(text.encode())
    return Subscriber(read_requester(row["who"]), tuple(row["headers"]))


def take_headers(resource: JsonObject) -> tuple[JsonObject, tuple[str, ...]]:
    """Returns a Subscription without its channel's headers, and these."""
    channel = resource.get("channel", {})
    shown = {key: value for key, value in channel.items() if key not in {"header", "_header"}}
    return {**resource, "channel": shown}, tuple(channel.get("header", ()))


def keep_headers(before: JsonObject, after: JsonObject) -> bool:
    """Tells whether the headers of a Subscription still hold after a change that names none: for the same endpoint."""
    return bool(_endpoint(before)) and _endpoint(before) == _endpoint(after)


def with_subscriber(resource: JsonObject, who: Requester) -> JsonObject:
    """Returns a Subscription that says whose it is, whatever it said."""
    rest: Sequence[Json] = [row for row in resource.get("extension", ()) if row.get("url") != SUBSCRIBER]
    return {**resource, "extension": [*rest, {"url": SUBSCRIBER, "valueString": name_subscriber(who)}]}


def _endpoint(resource: JsonObject) -> str:
    return str(resource.get("channel", {}).get("endpoint", ""))
