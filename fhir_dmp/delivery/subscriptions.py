"""The Subscriptions as the server reads them: all that are active, and one with what is kept beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from fhir_dmp.access.inquiry import SUBSCRIPTION
from fhir_dmp.access.requester import SERVER
from fhir_dmp.interactions.authorisation import facts_of
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.request import Request
from fhir_dmp.interactions.subscribing import read_criteria
from fhir_dmp.interactions.walk import walk
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.outcome import FhirError
from fhir_dmp.resource import Identity, Version, build_version
from fhir_dmp.search.query import Clause, Has, OfType, SearchQuery, TokenValue, all_of
from fhir_dmp.store.event_port import Written
from fhir_dmp.store.port import Change, Writer
from fhir_dmp.subscription.notification import Standing
from fhir_dmp.subscription.subscriber import Subscriber, read_subscriber
from fhir_dmp.subscription.wanted import Wanted, read_wanted

_PAGE = 1000
_MOST_REASON = 200


@dataclass(frozen=True, slots=True)
class Listening:
    """An active subscription: what is written of a type and makes the clause true is an event of it."""

    subscription_id: str
    resource_type: str
    clause: Clause
    wanted: Wanted

    def hears(self, written: Written) -> bool:
        """Tells whether a version may be an event. A deletion is none of R4's criteria."""
        topic = self.wanted.topic
        return topic.hears(written.method, written.version_id) if topic else written.method != "DELETE"


class Stored(NamedTuple):
    """A Subscription, what it asks for, and whose it is."""

    resource: JsonObject
    wanted: Wanted
    subscriber: Subscriber

    @property
    def awaits_handshake(self) -> bool:
        """Tells whether it is not active before the endpoint has answered."""
        return str(self.resource["status"]) == "requested"

    def standing(self, events: int) -> Standing:
        """Returns how it stands when it was told so many events."""
        return build_standing(self.resource, events)


@dataclass(frozen=True)
class Audience:
    """All active subscriptions."""

    rows: Sequence[Listening] = field(default_factory=list)

    @cached_property
    def by_type(self) -> Mapping[str, Sequence[Listening]]:
        """Those that listen for a type."""
        found: dict[str, list[Listening]] = defaultdict(list)
        for row in self.rows:
            found[row.resource_type].append(row)
        return dict(found)

    @property
    def resource_types(self) -> frozenset[str]:
        """What has to be followed: what they listen for, and themselves."""
        return frozenset({*self.by_type, SUBSCRIPTION})


NOBODY = Audience()


def build_standing(resource: JsonObject, events: int) -> Standing:
    """Returns how a Subscription stands when it was told so many events."""
    topic = read_wanted(resource).topic
    return Standing(resource["id"], topic.url if topic else "", resource["status"], events, resource.get("error", ""))


async def load_audience(context: Context) -> Audience:
    """Returns the subscriptions that are active now; one whose criteria no longer hold here ends in error."""
    rows = []
    async for version in _find_active(context):
        try:
            wanted = read_wanted(parse_json_object(version.content or b""))
            resource_type, clause = read_criteria(context, wanted.criteria)
            whole = all_of([clause, wanted.topic.clause]) if wanted.topic else clause
            rows.append(Listening(version.identity.resource_id, resource_type, whole, wanted))
        except FhirError as fault:
            await set_status(context, version.identity.resource_id, "error", fault.issues[0].message)
    return Audience(rows)


async def find_subscription(context: Context, subscription_id: str) -> Stored | None:
    """Returns a Subscription; None where it is not here, or asks for what this release does not know."""
    identity = Identity(SUBSCRIPTION, subscription_id)
    everything = await open_gate(context, _as_server(), "read", identities=(identity,))
    version = (await context.reader.read((identity,), everything)).get(identity)
    if version is None or not version.owner:
        return None
    resource = parse_json_object(version.content or b"")
    return Stored(resource, read_wanted(resource), read_subscriber(version.owner))


async def set_status(context: Context, subscription_id: str, status: str, reason: str = "") -> None:
    """Says how a Subscription stands; nothing where it is not here any more."""
    identity = Identity(SUBSCRIPTION, subscription_id)
    everything = await open_gate(context, _as_server(), "read", identities=(identity,))

    async def work(writer: Writer) -> None:
        previous = (await writer.read((identity,), everything)).get(identity)
        if previous:
            await writer.write([_restate(context, previous, status, reason)])

    await context.store.transact(work)


def _restate(context: Context, previous: Version, status: str, reason: str) -> Change:
    resource = {key: value for key, value in parse_json_object(previous.content or b"").items() if key != "error"}
    resource |= {"status": status} | ({"error": reason[:_MOST_REASON]} if reason else {})
    stamped, version = build_version(resource, previous.identity, previous, "PUT", context.now())
    return Change(version, previous, context.indexer.facts(stamped), facts_of(context, previous))


async def _find_active(context: Context) -> AsyncIterator[Version]:
    everything = await open_gate(context, _as_server(), "search-type")
    is_active = Has(SUBSCRIPTION, "status", (TokenValue(None, "active"),))
    query = SearchQuery((SUBSCRIPTION,), all_of([OfType((SUBSCRIPTION,)), is_active]), count=_PAGE)
    async for page in walk(context.reader, query, everything):
        for version in page.versions:
            yield version


def _as_server() -> Request:
    return Request(SERVER, SUBSCRIPTION)
