"""The Subscriptions as the server reads them: all that are active, and one with what is kept beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

from fhir_dmp.access.inquiry import SUBSCRIPTION
from fhir_dmp.access.requester import SERVER
from fhir_dmp.delivery.audience import Audience, Listening
from fhir_dmp.interactions.authorisation import facts_of
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.request import Request
from fhir_dmp.interactions.subscribing import read_criteria
from fhir_dmp.interactions.walk import walk
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.outcome import FhirError
from fhir_dmp.resource import Identity, Version, build_version
from fhir_dmp.search.query import Has, OfType, SearchQuery, TokenValue, all_of
from fhir_dmp.store.port import Change, Writer
from fhir_dmp.subscription.notification import Standing
from fhir_dmp.subscription.subscriber import Subscriber, read_subscriber
from fhir_dmp.subscription.wanted import Wanted, read_wanted

_PAGE = 1000
_MOST_REASON = 200


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


def build_standing(resource: JsonObject, events: int) -> Standing:
    """Returns how a Subscription stands when it was told so many events."""
    topic = read_wanted(resource).topic
    return Standing(resource["id"], topic.url if topic else "", resource["status"], events, resource.get("error", ""))


async def load_audience(context: Context) -> Audience:
    """Returns the subscriptions that are active now; one whose criteria no longer hold here ends in error."""
    audience = Audience()
    async for version in _find_with_status(context, "active"):
        if row := await _listen(context, version):
            audience.put(row)
    return audience


async def find_begun(context: Context) -> list[str]:
    """Returns the ids of those that are active, or will be once they have shaken hands."""
    return [version.identity.resource_id async for version in _find_with_status(context, "active", "requested")]


async def find_listening(context: Context, subscription_id: str) -> Listening | None:
    """Returns a subscription as load_audience does; None where it is not active, or not here any more."""
    version = await _find(context, subscription_id)
    is_active = version and parse_json_object(version.content or b"")["status"] == "active"
    return await _listen(context, version) if version and is_active else None


async def _listen(context: Context, version: Version) -> Listening | None:
    name = version.identity.resource_id
    try:
        wanted = read_wanted(parse_json_object(version.content or b""))
        resource_type, clause = read_criteria(context, wanted.criteria)
    except FhirError as fault:
        await set_status(context, name, "error", fault.issues[0].message)
        return None
    return Listening(name, resource_type, all_of([clause, wanted.topic.clause]) if wanted.topic else clause, wanted)


async def find_subscription(context: Context, subscription_id: str) -> Stored | None:
    """Returns a Subscription; None where it is not here, or asks for what this release does not know."""
    version = await _find(context, subscription_id)
    if version is None or not version.owner:
        return None
    resource = parse_json_object(version.content or b"")
    return Stored(resource, read_wanted(resource), read_subscriber(version.owner))


async def _find(context: Context, subscription_id: str) -> Version | None:
    identity = Identity(SUBSCRIPTION, subscription_id)
    everything = await open_gate(context, _as_server(), "read", identities=(identity,))
    return (await context.reader.read((identity,), everything)).get(identity)


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


async def _find_with_status(context: Context, *statuses: str) -> AsyncIterator[Version]:
    everything = await open_gate(context, _as_server(), "search-type")
    has_status = Has(SUBSCRIPTION, "status", tuple(TokenValue(None, status) for status in statuses))
    query = SearchQuery((SUBSCRIPTION,), all_of([OfType((SUBSCRIPTION,)), has_status]), count=_PAGE)
    async for page in walk(context.reader, query, everything):
        for version in page.versions:
            yield version


def _as_server() -> Request:
    return Request(SERVER, SUBSCRIPTION)
