"""Entry: one entry of a batch or transaction as a Request, https://hl7.org/fhir/R4/bundle.html#bundle-unique."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from types import TracebackType
from urllib.parse import unquote

import orjson

from fhir_dmp.instant import parse_instant, write_http_date, write_instant
from fhir_dmp.interactions.content import check_resource
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.path import parse_path
from fhir_dmp.interactions.request import PRESENTATION, Preconditions, Request, Result, Status, parse_query
from fhir_dmp.json_text import JsonObject
from fhir_dmp.outcome import Category, FhirError, Issue, build_outcome, error
from fhir_dmp.status import STATUS, write_status

_ENTRY = re.compile(r"Bundle\.entry\[(\d+)\]")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
MAX_ENTRIES = 10_000
ORDER = ("DELETE", "POST", "PUT", "PATCH", "GET", "HEAD")
"""The specification's order of processing, whatever the order in the Bundle."""

STATUSES = {
    Status.OK: HTTPStatus.OK,
    Status.CREATED: HTTPStatus.CREATED,
    Status.ACCEPTED: HTTPStatus.ACCEPTED,
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


def rows_of(bundle: JsonObject) -> Sequence[JsonObject]:
    """Returns a Bundle's entries as they came; raises FhirError where one has no request, or they are too many."""
    rows: Sequence[JsonObject] = bundle.get("entry", ())
    if len(rows) > MAX_ENTRIES:
        message = f"The Bundle has {len(rows)} entries; at most {MAX_ENTRIES} are taken at once."
        raise error(Category.TOO_LARGE, "bundle-too-large", message, "Bundle.entry")
    for index, row in enumerate(rows):
        if "request" not in row:
            message = "Each entry of a batch or transaction needs a request."
            raise error(Category.MALFORMED, "entry-request-missing", message, f"Bundle.entry[{index}]")
    return rows


class within_entry:  # noqa: N801  read as a verb: a class, as a generator costs every entry ten times as much
    """Gives the errors of an entry their place in the Bundle."""

    __slots__ = ("_index",)

    def __init__(self, index: int) -> None:
        """Of the entry with this index."""
        self._index = index

    def __enter__(self) -> None:
        """Does nothing."""

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raises a FhirError again, with its place."""
        if isinstance(fault, FhirError):
            issues = [_placed(issue, self._index) for issue in fault.issues]
            # the cause is why it was refused (refusal.py), which the trace needs and nobody is told
            raise FhirError(fault.category, *issues) from fault.__cause__


def index_of(fault: FhirError) -> int | None:
    """Returns the index of the entry that an error is about, None of one about the Bundle."""
    found = _ENTRY.match(fault.issues[0].expression)
    return int(found[1]) if found else None


def build_entry_response(entry: Entry, result: Result, base_url: str) -> JsonObject:
    """Builds the entry of a response Bundle; one of a HEAD has no resource."""
    row = _build_response(result, base_url)
    if entry.method == "HEAD":
        row.pop("resource", None)
    return row


def build_success(result: Result) -> JsonObject:
    """Builds the OperationOutcome of a write, for who prefers it to the resource."""
    done = "created" if result.status is Status.CREATED else "stored"
    version = result.version
    message = f"{version.identity} was {done} as version {version.version_id}." if version else f"It was {done}."
    return build_outcome([Issue("information", f"resource-{done}", message)])


def _build_response(result: Result, base_url: str) -> JsonObject:
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
    if result.etag:
        response["etag"] = result.etag
    body = result.body or (version.content if version and result.returns == "representation" else None)
    if body and result.status is not Status.NOT_MODIFIED:
        entry["resource"] = orjson.Fragment(body)
    if result.returns == "OperationOutcome" and version and version.content is not None:
        response["outcome"] = build_success(result)
    return entry


def build_entry_error(fault: FhirError) -> JsonObject:
    """Builds the entry of a batch response whose interaction failed."""
    outcome = build_outcome(fault.issues, fault.category.issue_type)
    return {"response": {"status": write_status(STATUS[fault.category]), "outcome": outcome}}


_LOCATED = frozenset({"DocumentReference", "ExplanationOfBenefit", "List", "Patient", "Provenance", "RelatedPerson"})


def _placed(issue: Issue, index: int) -> Issue:
    if issue.expression.startswith("Bundle."):
        return issue
    # what is wrong with a deposit, or with writing a Patient, is told element by element
    name, dot, rest = issue.expression.partition(".")
    inside = f".resource.{rest}" if dot and name in _LOCATED else ""
    return replace(issue, expression=f"Bundle.entry[{index}]{inside}")


def parse_entry(context: Context, request: Request, index: int, row: JsonObject) -> Entry:
    """Returns one of a Bundle's entries; raises FhirError where it asks for nothing that exists."""
    wanted = row["request"]
    method = wanted.get("method", "")
    if method not in ORDER:
        message = f"An entry's method is one of {', '.join(ORDER)}."
        raise error(Category.MALFORMED, "entry-method", message, f"Bundle.entry[{index}].request.method")
    path, _, query = _read_url(context, wanted.get("url", ""), index).partition("?")
    shape, parts = parse_path([unquote(segment) for segment in path.split("/") if segment])
    resource = row.get("resource")
    if resource is None and _needs_resource(method, shape):
        message = f"A {method} needs a resource."
        raise error(Category.MALFORMED, "entry-resource-missing", message, f"Bundle.entry[{index}].resource")
    part = Request(
        requester=request.requester,
        resource_type=parts.resource_type,
        resource_id=parts.resource_id,
        version_id=parts.version_id,
        compartment=parts.compartment,
        parameters=[pair for pair in parse_query(query) if pair[0] not in PRESENTATION],
        resource=resource,
        preconditions=_preconditions(wanted),
        handling=request.handling,
        returns=(request.returns or "minimal") if method not in {"GET", "HEAD"} else "representation",
        path=path,
        memory=request.memory,
        origin=request.origin,
    )
    if method == "PATCH" and resource is not None:
        part = _carry_patch(context, part, resource, f"Bundle.entry[{index}].resource")
    return Entry(index, row.get("fullUrl", ""), method, shape, part)


def _read_url(context: Context, url: str, index: int) -> str:
    """Returns an entry's URL relative to the base; raises FhirError where it is another server's, or no URL at all."""
    rest = url.removeprefix(context.base_url)
    if _ABSOLUTE.match(rest) or (rest != url and rest[:1] not in {"", "/", "?"}):
        message = (
            f"The entry's URL is not of this server: it is relative to the base, or begins with {context.base_url}/."
        )
        at = f"Bundle.entry[{index}].request.url"
        raise error(Category.MALFORMED, "entry-url", message, at)
    return rest.lstrip("/")


def _needs_resource(method: str, shape: str) -> bool:
    """Tells whether an entry carries something. Operations are asked without parameters too, as they are outside."""
    is_asked = method == "POST" and (shape.endswith("_search") or "$" in shape)
    return method in {"POST", "PUT", "PATCH"} and not is_asked


def _preconditions(wanted: JsonObject) -> Preconditions:
    since = wanted.get("ifModifiedSince")
    return Preconditions(
        if_match=wanted.get("ifMatch", ""),
        if_none_match=wanted.get("ifNoneMatch", ""),
        if_modified_since=write_http_date(parse_instant(since, "ifModifiedSince")) if since else "",
        if_none_exist=wanted.get("ifNoneExist", ""),
    )


def _carry_patch(context: Context, part: Request, resource: JsonObject, at: str) -> Request:
    """A JSON Patch travels in a Bundle as a Binary, a FHIRPath Patch as itself."""
    if resource.get("resourceType") == "Parameters":
        return part
    if resource.get("resourceType") != "Binary" or "data" not in resource:
        message = "A PATCH carries its JSON Patch in a Binary, or is a Parameters resource."
        raise error(Category.MALFORMED, "entry-patch", message, at)
    check_resource(context, resource, "Binary", at)
    try:
        body = b64decode("".join(resource["data"].split()), validate=True)
    except ValueError:
        raise error(Category.MALFORMED, "entry-patch", "The Binary's data is not base64.", f"{at}.data") from None
    return replace(part, resource=None, body=body, media_type=resource.get("contentType", ""))
