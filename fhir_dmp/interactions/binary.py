"""What a Binary holds: within the resource, or apart from it where it is large (docs/decisions/0033)."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import AsyncIterator
from dataclasses import replace

from fhir_dmp.interactions.content_stream import looked_through
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import JsonObject, parse_json_object

BINARY = "Binary"
MAX_WITHIN = 8 * 1024 * 1024
"""Bytes of a content that is stored in its resource; in base64 it fits a document."""
_MAX_TEXT = (MAX_WITHIN + 2) // 3 * 4
_STEP = 768 * 1024
"""Characters of base64 decoded at a time: a multiple of four."""


async def hold_content(context: Context, request: Request) -> Request:
    """Returns a create or update as any other: a Binary's large content is stored and named by `content_key`.

    A content that came as itself becomes a resource: https://hl7.org/fhir/R4/binary.html#rest. The version that names
    what is stored makes it last; without one, it is swept away.
    """
    if request.resource_type != BINARY:
        return request
    if request.content is not None:
        return await _hold_stream(context, request, request.content)
    if request.resource is None and len(request.body) <= _MAX_TEXT:
        return request
    resource = parse_json_object(request.body) if request.resource is None else request.resource
    data = resource.get("data")
    if not isinstance(data, str) or len(data) <= _MAX_TEXT:
        return request
    return await _hold_text(context, request, resource, data)


async def _hold_stream(context: Context, request: Request, content: AsyncIterator[bytes]) -> Request:
    """A content that fits is held in memory; as soon as it does not, nothing of it is."""
    resource: JsonObject = {"resourceType": BINARY, "contentType": request.media_type}
    if request.resource_id:
        resource["id"] = request.resource_id
    if request.security_context:
        resource["securityContext"] = {"reference": request.security_context}
    begun, size = [], 0
    async for part in content:
        begun.append(part)
        size += len(part)
        if size > MAX_WITHIN:
            async with looked_through(context, request, _join(begun, content), request.media_type) as parts:
                kept = await context.store.contents.keep(parts)
            return replace(request, resource=resource, content=None, content_key=kept.key)
    data = b64encode(b"".join(begun)).decode("ascii")
    resource = {**resource, "data": data} if data else resource
    return replace(request, resource=resource, content=None)


async def _join(begun: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while begun:
        yield begun.pop(0)
    async for part in rest:
        yield part


async def _hold_text(context: Context, request: Request, resource: JsonObject, data: str) -> Request:
    media_type = str(resource.get("contentType") or "")
    try:
        async with looked_through(context, request, _decode(data), media_type) as parts:
            kept = await context.store.contents.keep(parts)
    except (Base64Error, ValueError):
        # what is wrong with it is told where all resources are checked
        return request
    without = {name: value for name, value in resource.items() if name != "data"}
    return replace(request, resource=without, body=b"", content_key=kept.key)


async def _decode(data: str) -> AsyncIterator[bytes]:
    text = "".join(data.split())
    for start in range(0, len(text), _STEP):
        yield b64decode(text[start : start + _STEP], validate=True)
