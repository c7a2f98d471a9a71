"""Result → status, ETag, Last-Modified, Location, body: https://hl7.org/fhir/R4/http.html."""

from __future__ import annotations

from dataclasses import dataclass, field

from fhir_dmp.instant import write_http_date
from fhir_dmp.interactions.entry import STATUSES, build_success
from fhir_dmp.interactions.request import Result, Status
from fhir_dmp.json_text import parse_json, write_json

Headers = list[tuple[bytes, bytes]]
JSON_TYPE = b"application/fhir+json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer before it is sent; `body` is FHIR JSON, empty where there is none."""

    status: int
    body: bytes = b""
    headers: Headers = field(default_factory=list)


def build_http_response(result: Result, base_url: str) -> Response:
    """Builds the response of an interaction that ended well."""
    headers = _version_headers(result, base_url) if result.version else []
    if result.etag:
        headers.append((b"etag", result.etag.encode()))
    return Response(STATUSES[result.status].value, _body(result), headers)


def indent(body: bytes) -> bytes:
    """Returns a JSON body indented, for `_pretty=true`."""
    return write_json(parse_json(body), indent=True) if body else body


def _version_headers(result: Result, base_url: str) -> Headers:
    version = result.version
    if version is None:
        return []
    headers = [(b"etag", version.etag.encode())]
    if version.content is not None:
        headers.append((b"last-modified", write_http_date(version.last_updated).encode()))
    if result.location:
        headers.append((b"location", f"{base_url}/{version.identity}/_history/{version.version_id}".encode()))
    return headers


def _body(result: Result) -> bytes:
    if result.status is Status.NO_CONTENT or result.status is Status.NOT_MODIFIED:
        return b""
    if result.body is not None:
        return result.body
    if result.returns == "minimal" or result.version is None:
        return b""
    if result.returns == "OperationOutcome":
        return write_json(build_success(result))
    return result.version.content or b""
