"""What comes inside of a resource is looked at before anything is stored: Attachment.data, Binary.data, names of files.

A scanner that cannot be asked lets nothing pass. The server's own deposits (fhir-dmp load) are not compared with their
types, but scanned.
"""

from __future__ import annotations

import base64
import binascii
import logging
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import NamedTuple

from fhir_dmp.access.requester import SERVER, Kind
from fhir_dmp.interactions.content import within
from fhir_dmp.interactions.context import Context
from fhir_dmp.interactions.refusal import DepositRefused
from fhir_dmp.interactions.request import Request
from fhir_dmp.json_text import Json, JsonObject, write_json
from fhir_dmp.outcome import Category, FhirError, Issue, error
from fhir_dmp.record.content import HEAD, explain_name, explain_type, explain_url
from fhir_dmp.scanner.port import ScannerAway

_log = logging.getLogger(__name__)
_CONTENT = re.compile(rb'"(?:contentType|data)":|"url":"(?i:data|javascript|vbscript|file):')
_MEMBERS = ("data", "contentType", "title", "url")


class Content(NamedTuple):
    """A content inside of a resource: its base64 ("" of one that is elsewhere), and the expression of what holds it.

    `url` is where it is, "" of one that is here.
    """

    data: str
    media_type: str
    title: str
    expression: str
    url: str = ""


async def require_safe(context: Context, request: Request, resource: JsonObject, at: str = "") -> None:
    """Raises FhirError where a content is not what it says, has a hostile name, or is harmful; `at` is as elsewhere.

    It is unavailable where the scanner gives no verdict.
    """
    resource_type = resource["resourceType"]
    if not may_hold_contents(resource):
        return
    for content in find_contents(resource, resource_type):
        if issues := await _look_at(context, request, content):
            told = (within(issue, resource_type, at) for issue in issues)
            raise FhirError(Category.UNPROCESSABLE, *told) from DepositRefused()


async def require_safe_contents(context: Context, request: Request, contents: Iterable[Content]) -> None:
    """Raises FhirError as `require_safe` does, of contents that are inside of another, such as a CDA document's."""
    for content in contents:
        if issues := await _look_at(context, request, content):
            raise FhirError(Category.UNPROCESSABLE, *issues) from DepositRefused()


async def _look_at(context: Context, request: Request, content: Content) -> list[Issue]:
    data = _decode(content.data)
    issues = [] if request.requester.kind is Kind.SYSTEM else list(_find_issues(content, data))
    if not issues and data and context.scanner and request.requester != SERVER:
        issues = [issue] if (issue := await find_harm(context, _once(data), content.expression)) else []
    return issues


def find_contents(value: Json, expression: str) -> Iterator[Content]:
    """Yields the contents in a resource or an element of one: of Attachments and of a Binary."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from find_contents(item, f"{expression}[{index}]")
    elif isinstance(value, dict):
        if _is_content(value):
            data, media_type, title, url = (str(value.get(name) or "") for name in _MEMBERS)
            yield Content(data, media_type, title, expression, url)
        for name, item in value.items():
            if isinstance(item, list | dict):
                yield from find_contents(item, f"{expression}.{name}")


def may_hold_contents(resource: JsonObject) -> bool:
    """Tells whether anything in a resource may be a content: sooner than what is, and where."""
    return _CONTENT.search(write_json(resource)) is not None


def _is_content(value: JsonObject) -> bool:
    """No other type of R4 has a contentType; an Attachment without one has its data all the same, or its URL.

    What a Consent is about is called data too (`Consent.provision.data`), and is a list.
    """
    if "contentType" in value or explain_url(str(value.get("url") or "")):
        return True
    return isinstance(value.get("data"), str) and {"origin", "sigFormat", "who"}.isdisjoint(value)


def _find_issues(content: Content, data: bytes) -> Iterator[Issue]:
    if message := explain_name(content.title):
        yield Issue("error", "content-name", message, f"{content.expression}.title")
    if message := explain_url(content.url):
        yield Issue("error", "content-url", message, f"{content.expression}.url")
    if data and (message := explain_type(content.media_type, data[:HEAD])):
        yield Issue("error", "content-type", message, f"{content.expression}.contentType")


async def find_harm(context: Context, chunks: AsyncIterator[bytes], expression: str) -> Issue | None:
    """Returns what the scanner finds in the content of an element; raises FhirError (unavailable) without a verdict."""
    if context.scanner is None:
        return None
    try:
        found = await context.scanner.scan(chunks)
    except ScannerAway as fault:
        _log.warning("nothing is stored: %s", fault)
        message = "The content cannot be looked at now, and is not stored."
        raise error(Category.UNAVAILABLE, "scanner-unavailable", message) from fault
    if not found:
        return None
    return Issue("error", "content-harmful", "The scanner finds the content harmful.", f"{expression}.data")


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _decode(text: str) -> bytes:
    """Returns the bytes of base64, which may have white space in it (R4: base64Binary)."""
    try:
        return base64.b64decode("".join(text.split()))
    except (binascii.Error, ValueError):
        return b""
