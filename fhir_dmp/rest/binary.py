"""Binaries as what they hold: raw bodies in and out, https://hl7.org/fhir/R4/binary.html#rest."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from http import HTTPStatus

from fhir_dmp.instant import write_http_date
from fhir_dmp.interactions.binary import BINARY
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.request import Result, Status
from fhir_dmp.json_text import parse_json_object, write_json
from fhir_dmp.outcome import Category, Issue, build_outcome, error
from fhir_dmp.resource import Version
from fhir_dmp.rest.negotiation import RESOURCE_TYPES, Format, parse_accept
from fhir_dmp.rest.ranges import Unsatisfiable, is_unchanged, parse_range
from fhir_dmp.rest.request import HeaderMap
from fhir_dmp.rest.response import JSON_TYPE, XML_TYPE, Headers, Response, build_http_response
from fhir_dmp.store.content_port import Content
from fhir_dmp.xml.form import Forms
from fhir_dmp.xml.write import write_xml

_READS = frozenset({"[type]/[id]", "[type]/[id]/_history/[vid]"})
_WRITES = frozenset({("POST", "[type]"), ("PUT", "[type]/[id]"), ("PUT", "[type]")})
_AS_RESOURCE = frozenset({"application/fhir+json", "application/fhir+xml", "application/json", "text/json"})
"""Bodies that are a Binary resource. General XML is not: it is how CDA documents come."""
_FOUND = frozenset({Status.OK, Status.NOT_MODIFIED})
_PRINTABLE = re.compile(r"[ -~]+")
"""What may stand in a header: a code of FHIR may have a line break."""
_SAFE: Headers = [(b"x-content-type-options", b"nosniff"), (b"content-security-policy", b"sandbox; default-src 'none'")]
"""What was uploaded runs nothing in a browser that shows it."""


def is_read(method: str, shape: str, resource_type: str) -> bool:
    """Tells whether a request may be answered with a Binary's content alone."""
    return method == "GET" and resource_type == BINARY and shape in _READS


def is_raw(method: str, shape: str, resource_type: str, content_type: str) -> bool:
    """Tells whether a body is a Binary's content, and no resource."""
    media_type = content_type.partition(";")[0].strip().lower()
    is_write = resource_type == BINARY and (method, shape) in _WRITES
    return is_write and "/" in media_type and media_type not in _AS_RESOURCE


async def respond_to_read(
    context: Context, result: Result, headers: HeaderMap, format_parameter: str, wanted: Format | None, forms: Forms
) -> Response:
    """Builds the answer to a read: the content, or the resource where the client asks for a format of resources."""
    version = result.version
    if version is None or version.content is None or result.status not in _FOUND or result.body is not None:
        return build_http_response(result, context.base_url)
    resource = parse_json_object(version.content)
    media_type = resource["contentType"]
    is_resource = _wants_resource(headers.get(b"accept", ""), format_parameter, media_type)
    if result.status is Status.NOT_MODIFIED:
        same = build_http_response(result, context.base_url)
        return same if is_resource else replace(same, headers=_head(version))
    content = await context.store.contents.describe(version.content_key) if version.content_key else None
    if is_resource:
        if wanted is None:
            raise error(Category.NOT_ACCEPTABLE, "format-unsupported", "This server speaks FHIR 4.0 as JSON and XML.")
        plain = build_http_response(result, context.base_url)
        return _whole_resource(context, plain, content, wanted, forms) if content else plain
    data = b64decode(resource.get("data", ""))
    response = _respond(version, len(data) if content is None else content.size, headers, media_type)
    if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return response
    start, length = response.start, response.length or 0
    if content is None:
        return replace(response, body=data[start : start + length])
    return replace(response, stream=context.store.contents.read(content.key, start, start + length))


def _wants_resource(accept: str, format_parameter: str, media_type: str) -> bool:
    """Of the types that a client names, is the first of the best a format of resources; what fits all is no wish."""
    native = media_type.partition(";")[0].strip().lower()
    wanted = format_parameter.replace(" ", "+") or accept
    named = [row for row in parse_accept(wanted) if row[0] == native or row[0] in RESOURCE_TYPES]
    best = max(named, key=lambda row: row[1], default=(native, 1.0))
    return best[0] != native and best[1] > 0


def _etag(version: Version) -> str:
    """The strong validator of a content: If-Range takes no other (RFC 9110, 13.1.5)."""
    return f'"{version.version_id}"'


def _head(version: Version) -> Headers:
    return [
        (b"etag", _etag(version).encode()),
        (b"last-modified", write_http_date(version.last_updated).encode()),
        (b"accept-ranges", b"bytes"),
        *_SAFE,
    ]


def _respond(version: Version, size: int, headers: HeaderMap, media_type: str) -> Response:
    """The answer's head: the whole content, the part that was asked for, or that there is no such part."""
    head = _head(version)
    try:
        is_same = is_unchanged(headers.get(b"if-range", ""), _etag(version), version.last_updated)
        part = parse_range(headers.get(b"range", ""), size) if is_same else None
    except Unsatisfiable:
        message = f"The range begins after the content's {size:,} bytes."
        outcome = build_outcome([Issue("error", "range-unsatisfiable", message)], "value")
        return Response(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, write_json(outcome), [(b"content-range", b"bytes */%d" % size)]
        )
    shown = media_type.encode() if _PRINTABLE.fullmatch(media_type) else b"application/octet-stream"
    if part is None:
        return Response(HTTPStatus.OK, headers=head, media_type=shown, length=size)
    start, end = part
    head.append((b"content-range", b"bytes %d-%d/%d" % (start, end - 1, size)))
    return Response(HTTPStatus.PARTIAL_CONTENT, headers=head, media_type=shown, length=end - start, start=start)


def _whole_resource(context: Context, plain: Response, content: Content, wanted: Format, forms: Forms) -> Response:
    """The resource with its content, which stands last in either format, as it comes from the store."""
    if wanted is Format.XML:
        body, end, media_type = write_xml(parse_json_object(plain.body), forms), b"</Binary>", XML_TYPE
        before, after = b'<data value="', b'"/></Binary>'
    else:
        body, end, media_type = plain.body, b"}", JSON_TYPE
        before, after = b',"data":"', b'"}'
    opened = body.rstrip().removesuffix(end) + before
    length = len(opened) + (content.size + 2) // 3 * 4 + len(after)
    data = _encode(context.store.contents.read(content.key, 0, content.size))
    return replace(plain, body=b"", stream=_surround(opened, data, after), length=length, media_type=media_type)


async def _surround(before: bytes, parts: AsyncIterator[bytes], after: bytes) -> AsyncIterator[bytes]:
    yield before
    async for part in parts:
        yield part
    yield after


async def _encode(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Base64 of a stream: three bytes make four characters, whatever the parts are."""
    rest = b""
    async for part in parts:
        joined = rest + part
        whole = len(joined) // 3 * 3
        rest = joined[whole:]
        yield b64encode(joined[:whole])
    yield b64encode(rest)
