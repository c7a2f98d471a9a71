"""Simplified publish: a document that comes within its own metadata is stored as its Binary and its DocumentReference.

IHE MHD, ITI-105: https://profiles.ihe.net/ITI/MHD/ITI-105.html; in France PDSm, « ajout simplifié ».
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha1
from typing import NamedTuple

from fhir_dmp.interactions.binary import BINARY
from fhir_dmp.interactions.content import check_resource
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.create import create
from fhir_dmp.interactions.depositing import find_deposited, name_replaced
from fhir_dmp.interactions.gate import open_gate
from fhir_dmp.interactions.known import answer_known
from fhir_dmp.interactions.request import Request, Result
from fhir_dmp.interactions.resolution import name_subject
from fhir_dmp.interactions.transaction import parse_entries, perform
from fhir_dmp.interactions.validity import require_valid
from fhir_dmp.json_text import JsonObject, parse_json_object
from fhir_dmp.outcome import FhirError, Issue
from fhir_dmp.resource import Version
from fhir_dmp.store.port import Writer

SIMPLIFIED = frozenset({
    "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-simplified-publish",
    "https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.SimplifiedPublish.DocumentReference",
})  # fmt: skip
_MARK = re.compile(rb"simplified-publish|SimplifiedPublish")
_ESCAPED = re.compile(rb"\\u00[2-7]")
"""What a body has that may claim one of those profiles: the name, or characters of ASCII written as escapes."""
_DOCUMENT = "DocumentReference"
_PLACE = re.compile(r"Bundle\.entry\[(\d+)\](?:\.resource)?")


class Content(NamedTuple):
    """A content that comes with a document: the URL by which that cites it, its MIME type, its base64."""

    url: str
    media_type: str
    data: str


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
    document, contents = _take_apart(context, resource)
    return await deposit(context, request, document, contents)


async def deposit(context: Context, request: Request, document: JsonObject, contents: Sequence[Content]) -> Result:
    """Stores a document and its contents, or returns the document that is here already, and then stores nothing.

    Whatever holds for a submission (ITI-65) holds for it: it is one. Raises FhirError about the document.
    """
    if existing := await _find_here(context, request, document):
        return await answer_known(context, request, existing)
    entries = [_entry(f"urn:uuid:{context.new_id()}", document)]
    entries += [
        _entry(row.url, {"resourceType": BINARY, "contentType": row.media_type, "data": row.data}) for row in contents
    ]
    bundle: JsonObject = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    try:
        done = await perform(context, bundle, list(parse_entries(context, request, bundle)))
    except FhirError as fault:
        raise FhirError(fault.category, *map(_unbundled, fault.issues)) from fault.__cause__
    stored, *beside = [row.result for row in done]
    versions = [version for result in beside for version in result.disclosed]
    returns = request.returns or "representation"
    return Result(stored.status, stored.version, returns=returns, location=True, versions=versions)


async def replacing(context: Context, request: Request, document: JsonObject, name: str) -> JsonObject:
    """Returns a document that replaces the one of a name in its record, which its subject's criteria may lead to."""
    asked = replace(request, resource_type=_DOCUMENT, resource=None)

    async def work(writer: Writer) -> JsonObject:
        inside = replace(context, reader=writer)
        return await name_replaced(inside, writer, asked, await name_subject(inside, asked, document), name)

    return await context.store.transact(work)


async def _find_here(context: Context, request: Request, document: JsonObject) -> Version | None:
    asked = replace(request, resource_type=_DOCUMENT, resource=None)

    async def work(writer: Writer) -> Version | None:
        inside = replace(context, reader=writer)
        return await find_deposited(inside, writer, asked, await name_subject(inside, asked, document))

    return await context.store.transact(work)


def _parse(request: Request) -> JsonObject | None:
    """Returns the resource of a simplified publication, None of any other create.

    A conditional one is as any other: its content would be stored although the document is here.
    """
    if request.preconditions.if_none_exist or request.parameters:
        return None
    if request.resource is None and not (_MARK.search(request.body) or _ESCAPED.search(request.body)):
        return None
    resource = parse_json_object(request.body) if request.resource is None else request.resource
    meta = resource.get("meta")
    profiles = meta.get("profile") if isinstance(meta, dict) else None
    claimed = {str(url).partition("|")[0] for url in profiles} if isinstance(profiles, list) else set()
    return resource if claimed & SIMPLIFIED else None


def _take_apart(context: Context, resource: JsonObject) -> tuple[JsonObject, list[Content]]:
    """Returns the document without its data, which it cites, and the contents that were in it."""
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
    contents = [
        Content(url, row.get("contentType", "application/octet-stream"), row["data"])
        for row, url in zip(attachments, urls, strict=True)
        if url
    ]
    return document, contents


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
