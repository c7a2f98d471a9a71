"""$dmp-resend: what could not be delivered to a subscriber's endpoint is sent again, while it is kept.

https://fhir-dmp.fr/OperationDefinition/dmp-resend (profiles/dmp). For whose Subscription it is, and for administrators.
Nothing is said of what, or how much, there is to send: the subscriber's rights decide of each notice when it goes.
"""

from __future__ import annotations

from fhir_dmp.access.requester import Kind
from fhir_dmp.delivery.subscriptions import set_status
from fhir_dmp.instant import parse_instant
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed, open_gate
from fhir_dmp.interactions.read import not_found
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.interactions.subscribing import begin_again
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.operations.parameters import read_inputs
from fhir_dmp.operations.record_act import answer_act, as_server, check_scope, traced_act
from fhir_dmp.outcome import Category, error
from fhir_dmp.resource import Version
from fhir_dmp.subscription.wanted import read_wanted

DEFINITION = "https://fhir-dmp.fr/OperationDefinition/dmp-resend"


@traced_act
async def dmp_resend(context: Context, request: Request) -> Result:
    """Takes up a Subscription that is in error, and makes its dead letters due; raises FhirError instead."""
    check_exposed(context, request, "operation")
    read_inputs(context, request, ())
    version = await _read(context, request)
    resource = parse_json_object(version.content or b"{}")
    _require_open(context, resource)
    status = resource["status"]
    if status == "error":
        status = begin_again(resource)
        # first: a notice that is due while the Subscription is in error becomes a dead letter once more
        await set_status(context, request.resource_id, status)
    await context.outbox.revive(request.resource_id)
    return answer_act([{"name": "status", "valueCode": status}], [version])


async def _read(context: Context, request: Request) -> Version:
    """Returns the Subscription, of any subscriber for an administrator; raises FhirError (not found, forbidden)."""
    is_administrator = request.requester.kind is Kind.ADMINISTRATOR
    restriction = await open_gate(context, as_server(request) if is_administrator else request, "update")
    version = (await context.reader.read((request.identity,), restriction)).get(request.identity)
    if version is None:
        raise not_found(request.identity)
    await check_scope(context, request, "update", context.indexer.facts(parse_json_object(version.content or b"{}")))
    return version


def _require_open(context: Context, resource: JsonObject) -> None:
    """Raises FhirError (conflict) where nothing is sent any more: what came due would be dropped."""
    ends = read_wanted(resource).ends
    if resource["status"] == "off" or (ends and parse_instant(ends, "end") <= context.now()):
        message = "The Subscription is off, or over: change its status or its end first."
        raise error(Category.CONFLICT, "subscription-over", message, "Subscription.status")
