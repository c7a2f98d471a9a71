"""HTTP → Request: path, parameters, preconditions, preferences. Bodies are read with a limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fhir_dmp.access.requester import Requester
from fhir_dmp.interactions.path import Parts
from fhir_dmp.interactions.request import Origin, Parameters, Preconditions, Request, Return, parse_query
from fhir_dmp.outcome import Category, FhirError, error
from fhir_dmp.rest.encoding import decode, parse_encoding
from fhir_dmp.search.query import Handling

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
HeaderMap = dict[bytes, str]

_LENGTH_DIGITS = 15
_CONDITIONAL = (b"if-match", b"if-none-match", b"if-modified-since", b"if-none-exist")
_UNCONDITIONAL = Preconditions()
_HANDLINGS = {row.value: row for row in Handling}
_RETURNS: dict[str, Return] = {
    "minimal": "minimal",
    "representation": "representation",
    "OperationOutcome": "OperationOutcome",
}


def read_headers(scope: Scope) -> HeaderMap:
    """Returns the headers by lower-case name; of a repeated one, all values joined by commas."""
    headers: HeaderMap = {}
    for name, value in scope["headers"]:
        text = value.decode("latin-1")
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
    return headers


def parse_parameters(data: bytes) -> Parameters:
    """Returns the parameters of a query string or form, in which UTF-8 may also stand as it is; raises FhirError."""
    return parse_query(_decode(data))


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise error(Category.MALFORMED, "parameter-encoding", "The parameters are not percent-encoded UTF-8.") from None


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """The bytes of a body, decoded or not, and the seconds until it is there: with one more for each `RATE` bytes."""

    size: int
    seconds: float


RATE = 32 * 1024
"""Bytes a second that a body has to keep up once its first seconds are over."""


async def read_body(receive: Receive, limits: BodyLimits, headers: HeaderMap) -> bytes:
    """Returns the whole body, decoded; raises FhirError as soon as it passes a limit (too large, too slow)."""
    _check_declared(headers, limits)
    coding = parse_encoding(headers.get(b"content-encoding", ""))
    body = await _receive_whole(receive, limits)
    if coding is None or not body:
        return body
    decoded = decode(coding, body, limits.size)
    if decoded is None:
        raise _too_large(limits.size)
    return decoded


async def stream_body(receive: Receive, limits: BodyLimits, headers: HeaderMap) -> AsyncIterator[bytes]:
    """Yields a body as it comes; raises FhirError as soon as it passes a limit, or ends before it is complete.

    The time that the taker needs is not the client's. An encoded body is decoded whole.
    """
    if headers.get(b"content-encoding"):
        yield await read_body(receive, limits, headers)
        return
    _check_declared(headers, limits)
    left, size, is_more = limits.seconds, 0, True
    loop = asyncio.get_running_loop()
    while is_more:
        began = loop.time()
        try:
            message = await asyncio.wait_for(receive(), left)
        except TimeoutError:
            raise _too_slow(limits) from None
        chunk = _chunk_of(message)
        size += len(chunk)
        if size > limits.size:
            raise _too_large(limits.size)
        left += began - loop.time() + len(chunk) / RATE
        if left <= 0:
            raise _too_slow(limits)
        is_more = message.get("more_body", False)
        yield chunk


def _check_declared(headers: HeaderMap, limits: BodyLimits) -> None:
    declared = headers.get(b"content-length", "0")
    is_number = declared.isascii() and declared.isdigit()
    if is_number and (len(declared) > _LENGTH_DIGITS or int(declared) > limits.size):
        raise _too_large(limits.size)


def _chunk_of(message: MutableMapping[str, Any]) -> bytes:
    if message["type"] == "http.disconnect":
        raise error(Category.MALFORMED, "body-truncated", "The client went away before the body was complete.")
    chunk: bytes = message.get("body", b"")
    return chunk


async def _receive_whole(receive: Receive, limits: BodyLimits) -> bytes:
    try:
        async with asyncio.timeout(limits.seconds) as clock:
            return await _receive_chunks(receive, limits.size, clock)
    except TimeoutError:
        raise _too_slow(limits) from None


async def _receive_chunks(receive: Receive, limit: int, clock: asyncio.Timeout) -> bytes:
    chunks, size = [], 0
    while True:
        message = await receive()
        chunk = _chunk_of(message)
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)
        clock.reschedule((clock.when() or 0) + len(chunk) / RATE)


def build_request(
    requester: Requester, origin: Origin, parts: Parts, path: str, headers: HeaderMap, parameters: Parameters
) -> Request:
    """Builds the Request of an interaction without body."""
    request = Request(
        requester=requester,
        resource_type=parts.resource_type,
        resource_id=parts.resource_id,
        version_id=parts.version_id,
        compartment=parts.compartment,
        parameters=parameters,
        preconditions=_preconditions(headers),
        path=path,
        origin=origin,
    )
    prefer = headers.get(b"prefer")
    return _with_preferences(request, prefer) if prefer else request


def _preconditions(headers: HeaderMap) -> Preconditions:
    if headers.keys().isdisjoint(_CONDITIONAL):
        return _UNCONDITIONAL
    return Preconditions(
        if_match=headers.get(b"if-match", ""),
        if_none_match=headers.get(b"if-none-match", ""),
        if_modified_since=headers.get(b"if-modified-since", ""),
        # criteria, which may be written as a query string may: read as the header's Latin-1 they would find nothing
        if_none_exist=_decode(headers.get(b"if-none-exist", "").encode("latin-1")),
    )


def _with_preferences(request: Request, prefer: str) -> Request:
    """Prefer (RFC 7240): preferences that are not understood are ignored, as the header is meant."""
    wanted = [part.strip().partition("=") for part in prefer.replace(";", ",").split(",")]
    values = {name.strip(): value.strip().strip('"') for name, _, value in wanted}
    if values.get("return") in _RETURNS:
        request = replace(request, returns=_RETURNS[values["return"]])
    if values.get("handling") in _HANDLINGS:
        request = replace(request, handling=_HANDLINGS[values["handling"]])
    return replace(request, is_async=True) if "respond-async" in values else request


def split_path(path: str) -> Sequence[str]:
    """Returns the segments of a path below the base; a slash at the end changes nothing."""
    return [segment for segment in path.split("/") if segment]


def _too_slow(limits: BodyLimits) -> FhirError:
    message = f"The body came too slowly: it has {limits.seconds:g} s, and one more for each {RATE:,} bytes."
    return error(Category.TIMED_OUT, "body-slow", message)


def _too_large(limit: int) -> FhirError:
    return error(Category.TOO_LARGE, "body-too-large", f"The body is larger than this server takes ({limit:,} bytes).")
