"""$status and $events of Subscriptions: how they stand, and what they were told, as the requester sees it now.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/OperationDefinition-backport-subscription-status.html and
https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/OperationDefinition-backport-subscription-events.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fhir_dmp.access.inquiry import SUBSCRIPTION
from fhir_dmp.bundle import build_link
from fhir_dmp.delivery.sight import see
from fhir_dmp.delivery.subscriptions import build_standing
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.operations.parameters import Inputs, answer, read_inputs
from fhir_dmp.operations.stored import read_stored
from fhir_dmp.outcome import Category, error
from fhir_dmp.resource import Version
from fhir_dmp.search.query import Clause, Has, OfType, SearchQuery, TokenValue, WithId, all_of
from fhir_dmp.subscription.notification import CONTENTS, Content, Event, build_notification, build_status, find_content
from fhir_dmp.subscription.wanted import read_wanted

_GUIDE = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition"
STATUS, EVENTS = f"{_GUIDE}/backport-subscription-status", f"{_GUIDE}/backport-subscription-events"
MOST_STATUSES, MOST_EVENTS = 1000, 100
_NO_LIMIT = 2**53


async def subscription_status(context: Context, request: Request) -> Result:
    """Returns how a Subscription stands."""
    read_inputs(context, request, ())
    return await _answer_statuses(context, request, [await read_stored(context, request)])


async def subscription_statuses(context: Context, request: Request) -> Result:
    """Returns how the requester's Subscriptions stand, narrowed by `id` and `status`."""
    inputs = read_inputs(context, request, ("id", "status"))
    clauses: list[Clause] = [OfType((SUBSCRIPTION,))]
    if names := _split(inputs, "id"):
        clauses.append(WithId(SUBSCRIPTION, names))
    if codes := _split(inputs, "status"):
        clauses.append(Has(SUBSCRIPTION, "status", tuple(TokenValue(None, code) for code in codes)))
    clause = all_of(clauses)
    restriction = await open_gate(context, request, "search-type", clause)
    page = await context.reader.search(SearchQuery((SUBSCRIPTION,), clause, count=MOST_STATUSES), restriction)
    return await _answer_statuses(context, request, [_parse(version) for version in page.versions])


async def subscription_events(context: Context, request: Request) -> Result:
    """Returns what a Subscription was told, but for what the requester may not see any more."""
    inputs = read_inputs(context, request, ("eventsSinceNumber", "eventsUntilNumber", "content"))
    since, until = _read_number(inputs, "eventsSinceNumber", 1), _read_number(inputs, "eventsUntilNumber", _NO_LIMIT)
    resource = await read_stored(context, request)
    content = _read_content(inputs) or read_wanted(resource).content
    notices = await context.outbox.sent(request.resource_id, since, until, MOST_EVENTS)
    seen = [(notice, await see(context, request.requester, notice)) for notice in notices]
    told = [Event(notice.number, notice.event.at, version) for notice, version in seen if version]
    standing = build_standing(resource, await context.outbox.told(request.resource_id))
    bundle = build_notification(context.base_url, standing, "query-event", told, content, context.new_id())
    return replace(answer(bundle), versions=[event.focus for event in told])


async def _answer_statuses(context: Context, request: Request, resources: Sequence[JsonObject]) -> Result:
    entries = []
    for resource in resources:
        standing = build_standing(resource, await context.outbox.told(resource["id"]))
        status_id = context.new_id()
        status = build_status(context.base_url, standing, "query-status") | {"id": status_id}
        entries.append({"fullUrl": f"urn:uuid:{status_id}", "resource": status, "search": {"mode": "match"}})
    link = [{"relation": "self", "url": build_link(context.base_url, request.path, request.parameters)}]
    bundle: JsonObject = {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "link": link}
    return answer(bundle | ({"entry": entries} if entries else {}))


def _parse(version: Version) -> JsonObject:
    return parse_json_object(version.content or b"{}")


def _split(inputs: Inputs, name: str) -> tuple[str, ...]:
    return tuple(part for text in inputs.texts(name) for part in text.split(",") if part)


def _read_number(inputs: Inputs, name: str, otherwise: int) -> int:
    """R4 has no integer64: the guide sends the number as a text."""
    text = inputs.text(name)
    if not text:
        return otherwise
    if not (text.isascii() and text.isdigit()) or int(text) > _NO_LIMIT:
        raise error(Category.INVALID_PARAMETER, "parameter-value", f"{name} has to be a number.", f"http.{name}")
    return int(text)


def _read_content(inputs: Inputs) -> Content | None:
    text = inputs.text("content")
    found = find_content(text)
    if text and found is None:
        message = f"content is one of {', '.join(CONTENTS)}."
        raise error(Category.INVALID_PARAMETER, "parameter-value", message, "http.content")
    return found
