"""Result → status, ETag, Last-Modified, Location, body: https://hl7.org/fhir/R4/http.html."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from fhir_dmp.instant import write_http_date
from fhir_dmp.interactions.entry import STATUSES, build_success
from fhir_dmp.interactions.request import Result, Status
from fhir_dmp.json_text import parse_json, write_json
from fhir_dmp.rest.negotiation import Format, Presentation
from fhir_dmp.xml.form import Forms
from fhir_dmp.xml.write import write_xml

Headers = list[tuple[bytes, bytes]]
JSON_TYPE = b"application/fhir+json; charset=utf-8"
XML_TYPE = b"application/fhir+xml; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer before it is sent; `body` is of the `media_type`, empty where there is none.

    Of an answer to a range, `start` is its first byte; `stream` yields a body of `length` bytes that is not in memory,
    or of a length that nobody knows.
    """

    status: int
    body: bytes = b""
    headers: Headers = field(default_factory=list)
    media_type: bytes = JSON_TYPE
    stream: AsyncIterator[bytes] | None = None
    length: int | None = None
    start: int = 0


def build_http_response(result: Result, base_url: str) -> Response:
    """Builds the response of an interaction that ended well."""
    headers = _version_headers(result, base_url) if result.version else []
    if result.etag:
        headers.append((b"etag", result.etag.encode()))
    headers += [(name.encode(), value.encode()) for name, value in result.headers]
    media_type = result.media_type.encode() if result.media_type else JSON_TYPE
    return Response(STATUSES[result.status].value, _body(result), headers, media_type, result.stream)


def present(response: Response, presentation: Presentation, forms: Forms) -> Response:
    """Returns a FHIR JSON response as the client wants it; any other is what it is.

    Raises FhirError (not acceptable) where XML has no form for it.
    """
    is_xml = presentation.format is Format.XML
    if not response.body or response.media_type is not JSON_TYPE or not (is_xml or presentation.is_pretty):
        return response
    resource = parse_json(response.body)
    if is_xml:
        body = write_xml(resource, forms, indent=presentation.is_pretty)
        return replace(response, body=body, media_type=XML_TYPE)
    return replace(response, body=write_json(resource, indent=True))


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
