"""capabilities: the CapabilityStatement as served, https://hl7.org/fhir/R4/http.html#capabilities."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple
from weakref import WeakKeyDictionary

from fhir_dmp.access.inquiry import SUBSCRIPTION
from fhir_dmp.capability_statement import build_capability_statement
from fhir_dmp.conformance.depth import Depth
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.request import Request, Result, Status, parse_tags
from fhir_dmp.json_text import JsonObject, write_json
from fhir_dmp.search.space import SearchSpace
from fhir_dmp.subscription.topics import TOPICS
from fhir_dmp.subset import parse_subset, subset_content

_TOPIC = (
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/capabilitystatement-subscriptiontopic-canonical"
)


class _Written(NamedTuple):
    """A statement, and what it was made of beside the space: of something else, another is made."""

    made_of: tuple[object, ...]
    body: bytes
    digest: str


_WRITTEN: WeakKeyDictionary[SearchSpace, _Written] = WeakKeyDictionary()
"""The last statement of each space: to write it takes a fifth of a second, in which nothing else is answered."""


async def capabilities(context: Context, request: Request) -> Result:
    """Returns what this server can do; open to everybody. Its ETag changes when it does.

    `mode` is ignored, as R4 lets a server do: https://hl7.org/fhir/R4/http.html#capabilities.
    """
    statement, asked = _find_statement(context), dict(request.parameters)
    etag = f'W/"{statement.digest}"'
    if parse_tags(request.preconditions.if_none_match) & {"*", statement.digest}:
        return Result(Status.NOT_MODIFIED, etag=etag)
    subset = parse_subset((name, asked[name]) for name in ("_summary", "_elements") if name in asked)
    body = subset_content(statement.body, subset, context.registry) if subset else statement.body
    return Result(Status.OK, body=body, etag=etag)


def _find_statement(context: Context) -> _Written:
    space = context.space
    made_of = (space.own, context.capability, context.routes, context.base_url, context.security, context.depth)
    found = _WRITTEN.get(space)
    if found is None or found.made_of != made_of:
        body = _write_statement(context)
        found = _WRITTEN[space] = _Written(made_of, body, sha256(body).hexdigest()[:16])
    return found


def _write_statement(context: Context) -> bytes:
    operations = {name: context.routes.operations(name) for name in ("", *context.capability.types)}
    statement = build_capability_statement(context.capability, context.space, operations, context.base_url)
    _name_topics(statement)
    _name_profiles(statement, context)
    if context.security:
        statement["rest"][0]["security"] = context.security
    return write_json(statement)


def _name_topics(statement: JsonObject) -> None:
    """Says which topics can be subscribed to: R4 has no resource for one."""
    rows = [{"url": _TOPIC, "valueCanonical": url} for url in TOPICS]
    for resource in statement["rest"][0]["resource"]:
        if resource["type"] == SUBSCRIPTION:
            resource["extension"] = rows


def _name_profiles(statement: JsonObject, context: Context) -> None:
    """Says which profiles a resource may claim and is then held against; the first are asked of each in any case."""
    if context.depth is not Depth.FULL:
        return
    for resource in statement["rest"][0]["resource"]:
        exposed = context.capability.types[resource["type"]]
        supported = list(dict.fromkeys((*exposed.profiles, *exposed.supported)))
        if supported:
            resource["supportedProfile"] = supported
