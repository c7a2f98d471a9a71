"""capabilities: the CapabilityStatement as served, https://hl7.org/fhir/R4/http.html#capabilities."""

from __future__ import annotations

from hashlib import sha256

from fhir_dmp.access.inquiry import SUBSCRIPTION
from fhir_dmp.capability_statement import build_capability_statement
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.request import Request, Result, Status, parse_tags
from fhir_dmp.json_text import JsonObject, write_json
from fhir_dmp.subscription.topics import TOPICS

_TOPIC = (
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/capabilitystatement-subscriptiontopic-canonical"
)


async def capabilities(context: Context, request: Request) -> Result:
    """Returns what this server can do; open to everybody. Its ETag changes when it does."""
    operations = {name: context.routes.operations(name) for name in ("", *context.capability.types)}
    statement = build_capability_statement(context.capability, context.space, operations, context.base_url)
    _name_topics(statement)
    if context.security:
        statement["rest"][0]["security"] = context.security
    body = write_json(statement)
    digest = sha256(body).hexdigest()[:16]
    etag = f'W/"{digest}"'
    if parse_tags(request.preconditions.if_none_match) & {"*", digest}:
        return Result(Status.NOT_MODIFIED, etag=etag)
    return Result(Status.OK, body=body, etag=etag)


def _name_topics(statement: JsonObject) -> None:
    """Says which topics can be subscribed to: R4 has no resource for one."""
    rows = [{"url": _TOPIC, "valueCanonical": url} for url in TOPICS]
    for resource in statement["rest"][0]["resource"]:
        if resource["type"] == SUBSCRIPTION:
            resource["extension"] = rows
