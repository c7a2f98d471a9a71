"""patch by JSON Patch (RFC 6902), also conditional: https://hl7.org/fhir/R4/http.html#patch."""

from __future__ import annotations

import jsonpatch
import jsonpointer

from fhir_dmp.interactions.conditional import guard_key, match_one, parse_criteria, require_no_parameters
from fhir_dmp.interactions.content import check_resource
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.read import not_found
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.interactions.update import next_version, updated
from fhir_dmp.json_text import JsonObject, parse_json, parse_json_object, write_json
from fhir_dmp.outcome import Category, error
from fhir_dmp.resource import Version
from fhir_dmp.store.port import Change, Writer

MEDIA_TYPE = "application/json-patch+json"
MAX_OPERATIONS = 1000


async def patch(context: Context, request: Request) -> Result:
    """Stores the version that the patch makes of the current one."""
    restriction = open_gate(context, request, "patch")
    require_no_parameters(request)
    parse_patch(request)

    async def work(writer: Writer) -> Result:
        current = (await writer.read_latest((request.identity,), restriction)).get(request.identity)
        return await _patch(context, request, current, writer)

    return await context.store.transact(work)


async def conditional_patch(context: Context, request: Request) -> Result:
    """Patches the one resource that matches the criteria."""
    restriction = open_gate(context, request, "patch")
    query = parse_criteria(context, request.resource_type, request.parameters)
    parse_patch(request)

    async def work(writer: Writer) -> Result:
        await writer.guard([guard_key(request.resource_type, query)])
        return await _patch(context, request, await match_one(writer, query, restriction), writer)

    return await context.store.transact(work)


def patched_version(context: Context, request: Request, current: Version | None) -> Change:
    """Builds the change that a patch makes of the current version; raises FhirError where it does not apply."""
    if current is None:
        raise not_found(request.identity)
    if current.content is None:
        raise error(Category.DELETED, "resource-deleted", f"{current.identity} was deleted.")
    resource = _apply(parse_patch(request), parse_json_object(current.content))
    check_resource(context, resource, request.resource_type)
    return next_version(context, request, resource, current, current.identity, "PATCH")


async def _patch(context: Context, request: Request, current: Version | None, writer: Writer) -> Result:
    change = patched_version(context, request, current)
    await writer.write([change])
    return updated(change, request)


def parse_patch(request: Request) -> jsonpatch.JsonPatch:
    """Returns the operations that a request carries; raises FhirError where they are no JSON Patch."""
    if request.media_type != MEDIA_TYPE:
        message = f"A patch is sent as {MEDIA_TYPE}; part of a resource is not a patch."
        raise error(Category.UNSUPPORTED_MEDIA_TYPE, "media-type", message)
    operations = parse_json(request.body)
    if not isinstance(operations, list) or len(operations) > MAX_OPERATIONS:
        message = f"A JSON Patch is an array of at most {MAX_OPERATIONS} operations."
        raise error(Category.MALFORMED, "patch-malformed", message)
    try:
        return jsonpatch.JsonPatch(operations)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, AttributeError) as fault:
        raise error(Category.MALFORMED, "patch-malformed", f"Not a JSON Patch: {str(fault)[:200]}") from None


def _apply(operations: jsonpatch.JsonPatch, resource: JsonObject) -> JsonObject:
    """Returns the patched resource; its type, id and version are not the patch's to change."""
    try:
        patched = operations.apply(resource)
    except (
        jsonpatch.JsonPatchException,
        jsonpointer.JsonPointerException,
        TypeError,
        ValueError,
        LookupError,
    ) as fault:
        message = f"The patch does not apply: {str(fault)[:200]}"
        raise error(Category.UNPROCESSABLE, "patch-not-applicable", message) from None
    if not isinstance(patched, dict) or _fixed(patched) != _fixed(resource):
        message = "A patch cannot change resourceType, id, meta.versionId or meta.lastUpdated."
        raise error(Category.UNPROCESSABLE, "patch-of-identity", message)
    return parse_json_object(write_json(patched))


def _fixed(resource: JsonObject) -> tuple[object, ...]:
    meta = resource.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    return resource.get("resourceType"), resource.get("id"), meta.get("versionId"), meta.get("lastUpdated")
