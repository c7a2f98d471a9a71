"""Entry: one entry of a batch or transaction as a Request, https://hl7.org/fhir/R4/bundle.html#bundle-unique."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson

from fhir_dmp.instant import write_instant
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.path import parse_path
from fhir_dmp.interactions.request import Preconditions, Request, Result, Status
from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import Category, FhirError, Issue, build_outcome, error
from fhir_dmp.status import STATUS, write_status

MAX_ENTRIES = 10_000
ORDER = ("DELETE", "POST", "PUT", "PATCH", "GET", "HEAD")
"""The specification's order of processing, whatever the order in the Bundle."""

STATUSES = {
    Status.OK: HTTPStatus.OK,
    Status.CREATED: HTTPStatus.CREATED,
    Status.NO_CONTENT: HTTPStatus.NO_CONTENT,
    Status.NOT_MODIFIED: HTTPStatus.NOT_MODIFIED,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: its place, its fullUrl, its method and the shape of its URL, and the Request it stands for."""

    index: int
    full_url: str
    method: str
    shape: str
    request: Request

    @property
    def at(self) -> str:
        """The FHIRPath of this entry."""
        return f"Bundle.entry[{self.index}]"


def parse_entries(context: Context, request: Request, bundle: JsonObject) -> list[Entry]:
    """Returns a Bundle's entries in its order; raises FhirError where one is not a request."""
    rows = bundle.get("entry", ())
    if len(rows) > MAX_ENTRIES:
        message = f"The Bundle has {len(rows)} entries; at most {MAX_ENTRIES} are taken at once."
        raise error(Category.TOO_LARGE, "bundle-too-large", message, "Bundle.entry")
    entries = []
    for index, row in enumerate(rows):
        with within_entry(index):
            entries.append(_parse_entry(context, request, index, row))
    return entries


@contextmanager
def within_entry(index: int) -> Iterator[None]:
    """Gives the errors of an entry their place in the Bundle."""
    try:
        yield
    except FhirError as fault:
        raise FhirError(fault.category, *(_placed(issue, index) for issue in fault.issues)) from None


def build_entry_response(result: Result, base_url: str) -> JsonObject:
    """Builds the entry of a response Bundle."""
    response: JsonObject = {"status": write_status(STATUSES[result.status])}
    entry: JsonObject = {"response": response}
    version = result.version
    if version:
        if version.content is not None:
            entry["fullUrl"] = f"{base_url}/{version.identity}"
        if result.location:
            response["location"] = f"{base_url}/{version.identity}/_history/{version.version_id}"
        response["etag"] = version.etag
        response["lastModified"] = write_instant(version.last_updated)
    body = result.body or (version.content if version and result.returns == "representation" else None)
    if body and result.status is not Status.NOT_MODIFIED:
        entry["resource"] = orjson.Fragment(body)
    if result.issues:
        response["outcome"] = build_outcome(result.issues)
    return entry


def build_entry_error(fault: FhirError) -> JsonObject:
    """Builds the entry of a batch response whose interaction failed."""
    outcome = build_outcome(fault.issues, fault.category.issue_type)
    return {"response": {"status": write_status(STATUS[fault.category]), "outcome": outcome}}


def _placed(issue: Issue, index: int) -> Issue:
    if issue.expression.startswith("Bundle."):
        return issue
    return replace(issue, expression=f"Bundle.entry[{index}]")


def _parse_entry(context: Context, request: Request, index: int, row: JsonObject) -> Entry:
    wanted = row.get("request")
    if wanted is None:
        message = "Each entry of a batch or transaction needs a request."
        raise error(Category.MALFORMED, "entry-request-missing", message, f"Bundle.entry[{index}]")
    method = wanted["method"]
    url = wanted["url"].removeprefix(context.base_url).lstrip("/")
    path, _, query = url.partition("?")
    shape, parts = parse_path([unquote(segment) for segment in path.split("/") if segment])
    resource = row.get("resource")
    if method in {"POST", "PUT"} and not shape.endswith("_search") and resource is None:
        message = f"A {method} needs a resource."
        raise error(Category.MALFORMED, "entry-resource-missing", message, f"Bundle.entry[{index}].resource")
    part = Request(
        requester=request.requester,
        resource_type=parts.resource_type,
        resource_id=parts.resource_id,
        version_id=parts.version_id,
        parameters=parse_qsl(query, keep_blank_values=True),
        resource=resource,
        preconditions=_preconditions(wanted),
        handling=request.handling,
        returns=(request.returns or "minimal") if method not in {"GET", "HEAD"} else "representation",
        path=path,
    )
    if method == "PATCH" and resource:
        part = replace(part, resource=None, **_patch_of(resource))
    return Entry(index, row.get("fullUrl", ""), method, shape, part)


def _preconditions(wanted: JsonObject) -> Preconditions:
    return Preconditions(
        if_match=wanted.get("ifMatch", ""),
        if_none_match=wanted.get("ifNoneMatch", ""),
        if_modified_since=wanted.get("ifModifiedSince", ""),
        if_none_exist=wanted.get("ifNoneExist", ""),
    )


def _patch_of(resource: JsonObject) -> dict[str, Any]:
    """A patch travels in a Bundle as a Binary: https://hl7.org/fhir/R4/http.html#patch."""
    if resource.get("resourceType") != "Binary" or "data" not in resource:
        message = "A PATCH carries its JSON Patch in a Binary."
        raise error(Category.MALFORMED, "entry-patch", message)
    return {"body": b64decode(resource["data"]), "media_type": resource.get("contentType", "")}
