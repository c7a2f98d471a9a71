"""A Group of patients: it tells of each that he is in it, so it is shown to whom the record of every one is open.

https://hl7.org/fhir/R4/group.html
"""

from __future__ import annotations

from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import members_of, open_gate
from fhir_dmp.interactions.read import not_found
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import parse_json_object


async def open_members(context: Context, request: Request) -> tuple[str, ...]:
    """Returns the patients who are in the Group that the URL names; raises FhirError (not found) where it is hidden."""
    restriction = await open_gate(context, request, "read")
    version = (await context.reader.read((request.identity,), restriction)).get(request.identity)
    if version is None or version.content is None:
        raise not_found(request.identity)
    return members_of(context, parse_json_object(version.content))
