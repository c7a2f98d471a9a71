"""Simplified publish: a document that comes within its own metadata is stored as its Binary and its DocumentReference.

IHE MHD, ITI-105: https://profiles.ihe.net/ITI/MHD/ITI-105.html; in France PDSm, « ajout simplifié ».
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha1

from fhir_dmp.interactions.binary import BINARY
from fhir_dmp.interactions.content import check_resource
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.create import create
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.request import Request, Result, Status
from fhir_dmp.interactions.transaction import parse_entries, perform
from fhir_dmp.interactions.validity import require_valid
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.outcome import FhirError, Issue

SIMPLIFIED = frozenset({
    "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-simplified-publish",
    "https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.SimplifiedPublish.DocumentReference",
})  # fmt: skip
_MARK = re.compile(rb"simplified-publish|SimplifiedPublish")
"""What a body has that may claim one of those profiles."""
_DOCUMENT = "DocumentReference"
_PLACE = re.compile(r"Bundle\.entry\[(\d+)\](?:\.resource)?")


async def create_document(context: Context, request: Request) -> Result:
    """Creates a DocumentReference; one that claims to be a simplified publication, with its contents beside it.

    It is a transaction of the server's making: all of it is stored or nothing, and its subject may be named by
    criteria. What is stored has no data in it any more, and so does not claim the profile.
    """
    resource = _parse(request)
    if resource is None:
        return await create(context, request)
    await open_gate(context, request, "create")
    check_resource(context, resource, _DOCUMENT)
    await require_valid(context, request, resource)
    bundle = _build_bundle(context, resource)
    try:
        done = await perform(context, bundle, list(parse_entries(context, request, bundle)))
    except FhirError as fault:
        raise FhirError(fault.category, *map(_unbundled, fault.issues)) from fault.__cause__
    document, *contents = [row.result for row in done]
    beside = [version for result in contents for version in result.disclosed]
    returns = request.returns or "representation"
    return Result(Status.CREATED, document.version, returns=returns, location=True, versions=beside)


def _parse(request: Request) -> JsonObject | None:
    """Returns the resource of a simplified publication, None of any other create.

    A conditional one is as any other: its content would be stored although the document is here.
    """
    if request.preconditions.if_none_exist or request.parameters:
        return None
    if request.resource is None and not _MARK.search(request.body):
        return None
    resource = parse_json_object(request.body) if request.resource is None else request.resource
    meta = resource.get("meta")
    profiles = meta.get("profile") if isinstance(meta, dict) else None
    claimed = {str(url).partition("|")[0] for url in profiles} if isinstance(profiles, list) else set()
    return resource if claimed & SIMPLIFIED else None


def _build_bundle(context: Context, resource: JsonObject) -> JsonObject:
    """The document, then its contents, as ITI-65 would bring them."""
    attachments = [row["attachment"] for row in resource["content"]]
    urls = [f"urn:uuid:{context.new_id()}" if "data" in row else "" for row in attachments]
    content = [
        {**row, "attachment": _cite(row["attachment"], url) if url else row["attachment"]}
        for row, url in zip(resource["content"], urls, strict=True)
    ]
    rest = [url for url in resource["meta"]["profile"] if url.partition("|")[0] not in SIMPLIFIED]
    meta = {**resource["meta"], "profile": rest}
    if not rest:
        del meta["profile"]
    document = {**resource, "meta": meta, "content": content}
    if not meta:
        del document["meta"]
    entries = [_entry(f"urn:uuid:{context.new_id()}", document), *_contents(attachments, urls)]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _contents(attachments: list[JsonObject], urls: list[str]) -> Iterator[JsonObject]:
    for row, url in zip(attachments, urls, strict=True):
        if url:
            media_type = row.get("contentType", "application/octet-stream")
            yield _entry(url, {"resourceType": BINARY, "contentType": media_type, "data": row["data"]})


def _entry(full_url: str, resource: JsonObject) -> JsonObject:
    request = {"method": "POST", "url": resource["resourceType"]}
    return {"fullUrl": full_url, "resource": resource, "request": request}


def _cite(attachment: JsonObject, url: str) -> JsonObject:
    """The attachment of a content that stands elsewhere; what it states of it is held against the content as ever."""
    content = b64decode(attachment["data"])
    digest = b64encode(sha1(content, usedforsecurity=False).digest()).decode("ascii")
    without = {name: value for name, value in attachment.items() if name not in {"data", "_data"}}
    return {"url": url, "size": len(content), "hash": digest, **without}


def _unbundled(issue: Issue) -> Issue:
    """An issue as it is of what was sent: of a content, it is one of the document's."""
    return replace(issue, expression=_PLACE.sub(_DOCUMENT, issue.expression))
