"""The resource that an operation's URL names, as the requester may read it."""

from __future__ import annotations

from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.read import not_found
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import JsonObject, parse_json_object


async def find_stored(context: Context, request: Request) -> bytes | None:
    """Returns the text of the stored resource; None where it is absent, deleted or hidden."""
    restriction = await open_gate(context, request, "read")
    version = (await context.reader.read((request.identity,), restriction)).get(request.identity)
    return version.content if version else None


async def read_stored(context: Context, request: Request) -> JsonObject:
    """Returns the stored resource; raises FhirError (not found) where it is absent, deleted or hidden."""
    content = await find_stored(context, request)
    if content is None:
        raise not_found(request.identity)
    return parse_json_object(content)
