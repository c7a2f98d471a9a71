"""patch by JSON Patch (RFC 6902), FHIRPath Patch or JSON Merge Patch (RFC 7396), also conditional: https://hl7.org/fhir/R4/http.html#patch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import jsonpatch
import jsonpointer

from fhir_dmp.fhirpath.model import model_of
from fhir_dmp.interactions.attachments import check_attachments
from fhir_dmp.interactions.authorisation import authorise
from fhir_dmp.interactions.conditional import guard_key, match_one, parse_criteria, require_no_parameters
from fhir_dmp.interactions.consequences import find_consequences
from fhir_dmp.interactions.content import check_resource, refuse_conditional_references
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.fhirpath_patch import apply_operations, parse_operations
from fhir_dmp.interactions.gate import check_exposed, open_gate
from fhir_dmp.interactions.known import without_unreadable
from fhir_dmp.interactions.merge_patch import MEDIA_TYPE as MERGE_TYPE
from fhir_dmp.interactions.merge_patch import apply_merge
from fhir_dmp.interactions.read import not_found
from fhir_dmp.interactions.refusal import telling_of
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.interactions.update import next_version, updated
from fhir_dmp.interactions.validity import require_valid
from fhir_dmp.json_text import Json, JsonObject, parse_json, parse_json_object, write_json
from fhir_dmp.outcome import Category, error
from fhir_dmp.resource import Version
from fhir_dmp.store.port import Change, Writer

MEDIA_TYPE = "application/json-patch+json"
RESOURCE_TYPES = frozenset({"application/fhir+json", "application/json", "text/json", "json"})
"""Of a FHIRPath Patch, which is a resource."""
MAX_OPERATIONS = 1000
MAX_COPIED = 1024 * 1024
"""Bytes that one patch may copy: each `copy` of a whole that was copied already would double it."""


async def patch(context: Context, request: Request) -> Result:
    """Stores the version that the patch makes of the current one."""
    restriction = await open_gate(context, request, "patch")
    require_no_parameters(request)
    parse_patch(context, request)

    async def work(writer: Writer) -> Result:
        current = (await writer.read_latest((request.identity,), restriction)).get(request.identity)
        return await _patch(context, request, current, writer)

    return await context.store.transact(work)


async def conditional_patch(context: Context, request: Request) -> Result:
    """Patches the one resource that matches the criteria."""
    check_exposed(context, request, "patch")
    query = await parse_criteria(context, request, request.resource_type, request.parameters)
    restriction = await open_gate(context, request, "patch", query.clause)
    parse_patch(context, request)

    async def work(writer: Writer) -> Result:
        await writer.guard([guard_key(request.resource_type, query)])
        return await _patch(context, request, await match_one(writer, query, restriction), writer)

    return await context.store.transact(work)


def patched_resource(context: Context, request: Request, current: Version | None) -> JsonObject:
    """Returns what a patch makes of the current version, checked; raises FhirError where it does not apply."""
    if current is None:
        raise not_found(request.identity)
    if current.content is None:
        raise error(Category.DELETED, "resource-deleted", f"{current.identity} was deleted.")
    with telling_of(current):
        return _apply_patch(context, request, current.content)


def _apply_patch(context: Context, request: Request, content: bytes) -> JsonObject:
    before = parse_json_object(content)
    fixed = _fixed(before)
    patched = parse_patch(context, request)(before)
    if not isinstance(patched, dict) or _fixed(patched) != fixed:
        message = "A patch cannot change resourceType, id, meta.versionId or meta.lastUpdated."
        raise error(Category.UNPROCESSABLE, "patch-of-identity", message)
    resource = _reread(patched)
    check_resource(context, resource, request.resource_type)
    return resource


def patched_version(context: Context, request: Request, resource: JsonObject, current: Version | None) -> Change:
    """Builds the change that stores what a patch made; raises FhirError where a precondition fails."""
    identity = current.identity if current else request.identity
    return next_version(context, request, resource, current, identity, "PATCH")


async def _patch(context: Context, request: Request, current: Version | None, writer: Writer) -> Result:
    resource = patched_resource(context, request, current)
    with telling_of(current):
        if request.resource is not None or b"?" in request.body:
            refuse_conditional_references(context, resource)
        await require_valid(replace(context, reader=writer), request, resource)
    change = patched_version(context, request, resource, current)
    await authorise(context, request, "patch", [change])
    await check_attachments(replace(context, reader=writer), request, [change])
    superseded = await find_consequences(context, writer, request, [change])
    await writer.write([change, *superseded])
    answer = replace(updated(change, request), versions=[row.version for row in superseded])
    return await without_unreadable(context, request, answer)


Apply: TypeAlias = Callable[[JsonObject], Json]
"""What a patch makes of a resource, which it may change in place."""


def parse_patch(context: Context, request: Request) -> Apply:
    """Returns the patch that a request carries; raises FhirError where it is none.

    It is a JSON Patch by its media type, a FHIRPath Patch where it is a Parameters resource (in a Bundle: in the entry
    itself), and a merge patch by its media type or where it is any other part of a resource.
    """
    if request.resource is None and request.media_type == MEDIA_TYPE:
        return partial(_apply, _parse_json_patch(request.body))
    if request.resource is None and request.media_type not in {MERGE_TYPE, *RESOURCE_TYPES}:
        message = f"A patch is sent as {MEDIA_TYPE} or {MERGE_TYPE}, or is a Parameters resource."
        raise error(Category.UNSUPPORTED_MEDIA_TYPE, "media-type", message)
    parameters = parse_json_object(request.body) if request.resource is None else request.resource
    if request.media_type == MERGE_TYPE or parameters.get("resourceType") != "Parameters":
        return partial(apply_merge, patch=parameters)
    check_resource(context, parameters, "Parameters")
    return partial(apply_operations, parse_operations(parameters), model=model_of(context.registry))


def _parse_json_patch(body: bytes) -> jsonpatch.JsonPatch:
    operations = parse_json(body)
    if not isinstance(operations, list) or len(operations) > MAX_OPERATIONS:
        message = f"A JSON Patch is an array of at most {MAX_OPERATIONS} operations."
        raise error(Category.MALFORMED, "patch-malformed", message)
    try:
        return jsonpatch.JsonPatch(operations)
    except _FAULTS as fault:
        raise error(Category.MALFORMED, "patch-malformed", f"Not a JSON Patch: {str(fault)[:200]}") from None


_FAULTS = (
    jsonpatch.JsonPatchException,
    jsonpointer.JsonPointerException,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What the library raises for operations of every wrong kind."""


def _apply(operations: jsonpatch.JsonPatch, resource: JsonObject) -> Json:
    """Changes the resource in place and returns what it became.

    The error says which operation failed, not why: the reason would quote the resource.
    """
    patched: Json = resource
    copied = 0
    for index, operation in enumerate(operations):
        try:
            copied += _copied_bytes(operation, patched)
            _require_affordable(copied)
            patched = jsonpatch.JsonPatch([operation]).apply(patched, in_place=True)
        except _FAULTS:
            message = f"Operation {index} of the patch ({operation['op']}) does not apply."
            raise error(Category.UNPROCESSABLE, "patch-not-applicable", message) from None
    return patched


def _copied_bytes(operation: JsonObject, resource: Json) -> int:
    if operation["op"] != "copy":
        return 0
    return len(write_json(jsonpointer.JsonPointer(operation["from"]).resolve(resource)))


def _require_affordable(copied: int) -> None:
    if copied > MAX_COPIED:
        message = f"A patch copies at most {MAX_COPIED:,} bytes."
        raise error(Category.TOO_COSTLY, "patch-too-costly", message)


def _reread(patched: JsonObject) -> JsonObject:
    """Returns the resource as if it had been sent: nothing in it is shared, and nothing too deep."""
    try:
        text = write_json(patched)
    except TypeError:
        message = "What the patch makes nests too deeply."
        raise error(Category.UNPROCESSABLE, "patch-not-applicable", message) from None
    return parse_json_object(text)


def _fixed(resource: JsonObject) -> tuple[object, ...]:
    meta = resource.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    return resource.get("resourceType"), resource.get("id"), meta.get("versionId"), meta.get("lastUpdated")
