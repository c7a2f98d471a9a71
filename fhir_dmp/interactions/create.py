"""create, also conditional: https://hl7.org/fhir/R4/http.html#create."""

from __future__ import annotations

from dataclasses import replace

from fhir_dmp.interactions.attachments import check_attachments
from fhir_dmp.interactions.authorisation import authorise
from fhir_dmp.interactions.binary import hold_content
from fhir_dmp.interactions.conditional import (
    guard_key,
    match_one,
    parse_criteria,
    require_no_parameters,
    split_criteria,
)
from fhir_dmp.interactions.consequences import find_consequences, find_due
from fhir_dmp.interactions.content import check_size, parse_resource
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.depositing import deposit_key, find_deposited, is_deposit
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.known import answer_known
from fhir_dmp.interactions.request import Parameters, Request, Result, Status, owner_of
from fhir_dmp.interactions.submitting import require_same_submission
from fhir_dmp.interactions.subscribing import hold_subscription
from fhir_dmp.interactions.validity import require_interpretable, require_valid
from fhir_dmp.json_text import JsonObject
from fhir_dmp.record.submission import is_sharing
from fhir_dmp.resource import Identity, Version, build_version
from fhir_dmp.store.port import Change, Writer


async def create(context: Context, request: Request) -> Result:
    """Stores a resource under a new id; with If-None-Exist, unless one that matches is here already.

    Criteria in the URL are those of If-None-Exist: fhirpy and Aidbox write them there.
    """
    await open_gate(context, request, "create")
    criteria = _read_criteria(request)
    request = await hold_content(context, request)
    resource = parse_resource(context, request)
    await require_valid(context, request, resource)
    if criteria is not None:
        return await _create_unless_exists(context, request, resource, criteria)
    identity = Identity(request.resource_type, context.new_id())
    if is_deposit(resource) or is_sharing(resource):
        return await _deposit(context, request, resource, identity)
    change = first_version(context, resource, identity, request)
    if any(find_due(context, request, [change])):
        return await _deposit(context, request, resource, identity)
    await authorise(context, request, "create", [change])
    await check_attachments(context, request, [change])
    await context.store.insert(change)
    return created(change, request)


def first_version(context: Context, resource: JsonObject, identity: Identity, request: Request | None = None) -> Change:
    """Builds the change that creates a resource; raises FhirError for what must not be stored at all."""
    require_interpretable(context, resource)
    resource, subscriber = hold_subscription(request, resource, None)
    stamped, version = build_version(resource, identity, None, "POST", context.now())
    check_size(version.content or b"", identity.resource_type)
    facts = context.indexer.facts(stamped)
    key, owner = request.content_key if request else "", subscriber or owner_of(request, identity)
    return Change(version._replace(patient=facts.patient or "", content_key=key, owner=owner), None, facts)


def created(change: Change, request: Request) -> Result:
    """Builds the result of a create."""
    return Result(Status.CREATED, change.version, returns=request.returns or "representation", location=True)


def _read_criteria(request: Request) -> Parameters | None:
    """Returns the condition of a create, None where it has none; an empty one is a condition, and refused later."""
    if not request.preconditions.if_none_exist:
        return request.parameters or None
    require_no_parameters(request)
    return split_criteria(request.preconditions.if_none_exist)


async def _create_unless_exists(
    context: Context, request: Request, resource: JsonObject, criteria: Parameters
) -> Result:
    query = await parse_criteria(context, request, request.resource_type, criteria)
    restriction = await open_gate(context, request, "create", query.clause)
    identity = Identity(request.resource_type, context.new_id())

    async def work(writer: Writer) -> Result:
        await writer.guard([guard_key(request.resource_type, query)])
        existing = await match_one(writer, query, restriction)
        if existing:
            return await _answer_with(context, request, resource, existing)
        return await _deposit_once(context, writer, request, resource, identity)

    return await context.store.transact(work)


async def _answer_with(context: Context, request: Request, resource: JsonObject, existing: Version) -> Result:
    """What is here already, in place of the new one; raises FhirError (conflict) where it is another submission."""
    require_same_submission(context, resource, existing)
    return await answer_known(context, request, existing)


async def _deposit(context: Context, request: Request, resource: JsonObject, identity: Identity) -> Result:
    return await context.store.transact(lambda writer: _deposit_once(context, writer, request, resource, identity))


async def _deposit_once(
    context: Context, writer: Writer, request: Request, resource: JsonObject, identity: Identity
) -> Result:
    """Writes a new resource, with what follows of it; a document that is here already is answered instead."""
    if key := deposit_key(context, request, resource):
        await writer.guard([key])
    if existing := await find_deposited(context, writer, request, resource):
        return await _answer_with(context, request, resource, existing)
    change = first_version(context, resource, identity, request)
    await authorise(context, request, "create", [change])
    await check_attachments(replace(context, reader=writer), request, [change])
    superseded = await find_consequences(context, writer, request, [change])
    await writer.write([change, *superseded])
    return replace(created(change, request), versions=[row.version for row in superseded])
