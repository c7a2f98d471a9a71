"""The resource that an operation's URL names, as the requester may read it."""

from __future__ import annotations

from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.read import not_found
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.resource import Version


async def read_version(context: Context, request: Request) -> Version:
    """Returns the stored version; raises FhirError (not found) where it is absent, deleted or hidden."""
    version = await find_version(context, request)
    if version is None:
        raise not_found(request.identity)
    return version


async def find_version(context: Context, request: Request) -> Version | None:
    """Returns the stored version; None where it is absent, deleted or hidden."""
    restriction = await open_gate(context, request, "read")
    return (await context.reader.read((request.identity,), restriction)).get(request.identity)


async def read_stored(context: Context, request: Request) -> JsonObject:
    """Returns the stored resource; raises FhirError (not found) where it is absent, deleted or hidden."""
    version = await read_version(context, request)
    return parse_json_object(version.content or b"{}")
