"""$dmp-cda: a CDA document becomes a DocumentReference, filled from its header, and the Binary that it cites.

https://fhir-dmp.fr/OperationDefinition/dmp-cda (profiles/dmp, docs/decisions/0038). From there on it is a deposit as
any other (ITI-65): who may, what is a duplicate, what it replaces.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from hashlib import sha1

from fhir_dmp.cda.document import CONTENT_TYPE, Stored, build_document
from fhir_dmp.cda.header import read_header
from fhir_dmp.cda.read import read_tree
from fhir_dmp.instant import write_instant
from fhir_dmp.interactions.content_safety import Content as Looked
from fhir_dmp.interactions.content_safety import require_safe_contents
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.gate import check_exposed
from fhir_dmp.interactions.publish import Content, deposit, replacing
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.json_text import JsonObject
from fhir_dmp.operations.parameters import Given, build_inputs, read_body
from fhir_dmp.outcome import Category, error
from fhir_dmp.search.sensitivity import HIDDEN_FROM_PATIENT, HIDDEN_FROM_REPRESENTATIVES, MASKED

DEFINITION = "https://fhir-dmp.fr/OperationDefinition/dmp-cda"
MEDIA_TYPES = frozenset({"application/hl7-cda+xml", "application/xml", "text/xml"})
"""What a body is that is a document itself."""
_VISIBILITIES = (MASKED, HIDDEN_FROM_PATIENT, HIDDEN_FROM_REPRESENTATIVES)
_KNOWN = ("document", "visibility")


async def dmp_cda(context: Context, request: Request) -> Result:
    """Stores a document and answers with its DocumentReference: 201, or 200 where it is here already.

    Raises FhirError: malformed where it is no CDA (line and column), unprocessable where the header is not the French
    one or something embedded is not what it says, and whatever a deposit is refused with.
    """
    check_exposed(context, request, "operation")
    data, visibility = _read(context, request)
    # a large one would keep all others waiting
    header, embedded = await asyncio.to_thread(lambda: read_header(read_tree(data), context.zone))
    looked = (Looked(row.data, row.media_type, "", row.path) for row in embedded)
    await require_safe_contents(context, request, looked)
    url = f"urn:uuid:{context.new_id()}"
    digest = b64encode(sha1(data, usedforsecurity=False).digest()).decode("ascii")
    stored = Stored(url, len(data), digest, write_instant(context.now()))
    document = build_document(header, stored, visibility)
    if header.replaced:
        document = await replacing(context, request, document, f"{header.replaced.system}|{header.replaced.value}")
    content = Content(url, CONTENT_TYPE, b64encode(data).decode("ascii"))
    return await deposit(context, request, document, [content])


def _read(context: Context, request: Request) -> tuple[bytes, list[str]]:
    """Returns the document and the labels that are asked for beside its confidentiality."""
    if request.media_type in MEDIA_TYPES:
        inputs = build_inputs(context, request, None, _KNOWN)
        return request.body, _read_visibility(inputs.all("visibility"))
    body = read_body(request) or {}
    is_binary = body.get("resourceType") == "Binary"
    if not is_binary and body.get("resourceType") != "Parameters":
        message = "The operation takes a CDA document, a Binary of one, or Parameters with that Binary."
        raise error(Category.MALFORMED, "resource-type", message)
    inputs = build_inputs(context, request, None if is_binary else body, _KNOWN)
    binary = body if is_binary else inputs.resource("document") or {}
    return _decode(binary), _read_visibility(inputs.all("visibility"))


def _decode(binary: JsonObject) -> bytes:
    data = binary.get("data")
    if binary.get("resourceType") != "Binary" or not isinstance(data, str):
        raise error(Category.INVALID_PARAMETER, "parameter-missing", "The operation needs a Binary with data.")
    try:
        return b64decode("".join(data.split()), validate=True)
    except (Base64Error, ValueError):
        raise error(Category.MALFORMED, "primitive-format", "The data is not base64.", "Binary.data") from None


def _read_visibility(given: list[Given]) -> list[str]:
    for row in given:
        if not isinstance(row.value, str) or row.value not in _VISIBILITIES:
            message = f"visibility is one of {', '.join(_VISIBILITIES)} (TRE_A07)."
            raise error(Category.INVALID_PARAMETER, "parameter-value", message, row.at)
    return list(dict.fromkeys(str(row.value) for row in given))
