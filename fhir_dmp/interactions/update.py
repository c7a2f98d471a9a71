"""update, also conditional: https://hl7.org/fhir/R4/http.html#update."""

from __future__ import annotations

from dataclasses import replace

from fhir_dmp.access.requester import Kind
from fhir_dmp.interactions.attachments import check_attachments
from fhir_dmp.interactions.authorisation import authorise, facts_of
from fhir_dmp.interactions.binary import hold_content
from fhir_dmp.interactions.conditional import guard_key, match_one, parse_criteria, require_no_parameters
from fhir_dmp.interactions.consequences import find_consequences
from fhir_dmp.interactions.content import check_size, parse_resource
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.create import first_version
from fhir_dmp.interactions.gate import check_exposed, open_gate
from fhir_dmp.interactions.refusal import telling_of
from fhir_dmp.interactions.request import Preconditions, Request, Result, Status, owner_of, parse_tags, require_id
from fhir_dmp.interactions.subscribing import hold_subscription
from fhir_dmp.interactions.validity import require_interpretable, require_valid
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.outcome import Category, FhirError, Issue, error
from fhir_dmp.record.metadata_update import find_fixed, is_shared
from fhir_dmp.resource import Identity, Method, Version, build_version
from fhir_dmp.store.port import Change, Writer


async def update(context: Context, request: Request) -> Result:
    """Stores the next version of a resource; its first, where the requester may choose ids."""
    restriction = await open_gate(context, request, "update")
    require_no_parameters(request)
    require_id(request)
    request = await hold_content(context, request)
    resource = parse_resource(context, request)
    check_body_id(resource, request.resource_id)
    await require_valid(context, request, resource)

    async def work(writer: Writer) -> Result:
        previous = (await writer.read_latest((request.identity,), restriction)).get(request.identity)
        change = next_version(context, request, resource, previous)
        await authorise(context, request, "update", [change])
        await check_attachments(replace(context, reader=writer), request, [change])
        superseded = await find_consequences(context, writer, request, [change])
        await writer.write([change, *superseded])
        return replace(updated(change, request), versions=[row.version for row in superseded])

    return await context.store.transact(work)


async def conditional_update(context: Context, request: Request) -> Result:
    """Updates the one resource that matches the criteria, or creates one where none does."""
    check_exposed(context, request, "update")
    query = await parse_criteria(context, request, request.resource_type, request.parameters)
    restriction = await open_gate(context, request, "update", query.clause)
    request = await hold_content(context, request)
    resource = parse_resource(context, request)
    await require_valid(context, request, resource)
    new_id = context.new_id()

    async def work(writer: Writer) -> Result:
        await writer.guard([guard_key(request.resource_type, query)])
        match = await match_one(writer, query, restriction)
        identity = match.identity if match else Identity(request.resource_type, resource.get("id") or new_id)
        previous = match or (await writer.read_latest((identity,), restriction)).get(identity)
        change = conditional_version(context, request, resource, identity, match, previous)
        await authorise(context, request, "update", [change])
        await check_attachments(replace(context, reader=writer), request, [change])
        superseded = await find_consequences(context, writer, request, [change])
        await writer.write([change, *superseded])
        return replace(updated(change, request), versions=[row.version for row in superseded])

    return await context.store.transact(work)


def conditional_version(
    context: Context,
    request: Request,
    resource: JsonObject,
    identity: Identity,
    match: Version | None,
    previous: Version | None,
) -> Change:
    """Builds the change of a conditional update. `match` is the resource that its criteria found, if any.

    `identity` is that of the match, else the one the body chooses, else a new one; `previous` its newest version.
    """
    body_id = resource.get("id")
    if match and body_id not in {None, identity.resource_id}:
        message = "The body's id is not that of the resource which the criteria match."
        raise error(Category.MALFORMED, "id-mismatch", message, f"{request.resource_type}.id")
    if match or body_id is not None:
        return next_version(context, request, resource, previous, identity)
    check_preconditions(request.preconditions, None)
    return first_version(context, resource, identity, request)


def next_version(
    context: Context,
    request: Request,
    resource: JsonObject,
    previous: Version | None,
    identity: Identity | None = None,
    method: Method = "PUT",
) -> Change:
    """Builds the change that follows `previous` (which may be a deletion, or None where the id is new).

    Raises FhirError where a precondition fails, or where the requester may not choose the id.
    """
    target = identity or request.identity
    with telling_of(previous):
        check_preconditions(request.preconditions, previous)
    if previous is None and not request.requester.may_choose_ids:
        message = "This server assigns ids: create the resource with POST."
        raise error(Category.NOT_ALLOWED, "id-assigned-by-server", message)
    require_interpretable(context, resource)
    with telling_of(previous):
        _require_metadata(request, resource, previous)
    resource, subscriber = hold_subscription(request, resource, previous)
    stamped, version = build_version(resource, target, previous, method, context.now())
    check_size(version.content or b"", target.resource_type)
    facts = context.indexer.facts(stamped)
    # a patch of what stands around a content leaves it
    is_kept = method == "PATCH" and previous is not None and "data" not in resource
    key = previous.content_key if is_kept and previous else request.content_key
    owner = subscriber or version.owner or owner_of(request, target)
    version = version._replace(patient=facts.patient or "", content_key=key, owner=owner)
    return Change(version, previous, facts, facts_of(context, previous))


def _require_metadata(request: Request, resource: JsonObject, previous: Version | None) -> None:
    """Raises FhirError (not allowed) where more of a shared document changes than its metadata may."""
    if request.requester.kind is Kind.SYSTEM or previous is None or previous.content is None:
        return
    before = parse_json_object(previous.content) if previous.identity.resource_type == "DocumentReference" else {}
    fixed = find_fixed(before, {**resource, "id": before["id"]}) if is_shared(before) else ()
    if fixed:
        message = f"Of a shared document status, securityLabel and isArchived may change, not {', '.join(fixed)}."
        issues = [Issue("error", "metadata-fixed", message, f"DocumentReference.{name}") for name in fixed]
        raise FhirError(Category.NOT_ALLOWED, *issues)


def check_preconditions(preconditions: Preconditions, current: Version | None) -> None:
    """Raises FhirError (precondition failed) where If-Match or If-None-Match does not hold for the current version."""
    exists = current is not None and current.content is not None
    wanted = preconditions.if_match
    if wanted and not (exists and current and parse_tags(wanted) & {"*", str(current.version_id)}):
        message = f"If-Match asks for version {wanted[:64]}, which is not the current one."
        raise error(Category.PRECONDITION_FAILED, "version-mismatch", message)
    if preconditions.if_none_match == "*" and exists:
        raise error(Category.PRECONDITION_FAILED, "resource-exists", "If-None-Match: * holds for new resources only.")


def check_body_id(resource: JsonObject, resource_id: str) -> None:
    """Raises FhirError where the body's id is absent or not the URL's."""
    found = resource.get("id")
    if found != resource_id:
        message = "The body has no id." if found is None else "The body's id is not the URL's."
        expression = f"{resource['resourceType']}.id"
        raise error(Category.MALFORMED, "id-mismatch", f"{message} An update needs both equal.", expression)


def updated(change: Change, request: Request) -> Result:
    """Builds the result of an update: created where there was no resource before."""
    existed = change.previous is not None and change.previous.content is not None
    status = Status.OK if existed else Status.CREATED
    return Result(status, change.version, returns=request.returns or "representation", location=True)
