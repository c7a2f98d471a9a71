"""The FHIR endpoint as a plain ASGI application (docs/decisions/0004): path → route → interaction → response."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.authentication.authenticator import Authentication
from fhir_dmp.authentication.certificate import TrustedProxies
from fhir_dmp.authentication.fault import refuse_excluded
from fhir_dmp.interactions.base import process
from fhir_dmp.interactions.capabilities import capabilities
from fhir_dmp.interactions.context import Context, Run, method_not_allowed
from fhir_dmp.interactions.merge_patch import MEDIA_TYPE as MERGE_PATCH
from fhir_dmp.interactions.patch import MEDIA_TYPE as JSON_PATCH
from fhir_dmp.interactions.path import parse_path
from fhir_dmp.interactions.representation import confine
from fhir_dmp.interactions.request import PRESENTATION, Origin, Request
from fhir_dmp.interactions.trace import record_excluded, run_traced
from fhir_dmp.json_text import write_json
from fhir_dmp.operations.dmp_cda import MEDIA_TYPES as CDA_TYPES
from fhir_dmp.outcome import Category, FhirError
from fhir_dmp.rest import binary
from fhir_dmp.rest.errors import respond_to_defect, respond_to_error
from fhir_dmp.rest.negotiation import (
    FHIR_JSON,
    LINES_TYPES,
    RESOURCE_TYPES,
    XML_TYPES,
    Format,
    Presentation,
    check_versions,
    choose_format,
    choose_other,
    is_bulk,
    parse_content_type,
    read_presentation,
    require_format,
    takes_lines,
)
from fhir_dmp.rest.request import (
    BodyLimits,
    HeaderMap,
    build_request,
    parse_parameters,
    read_body,
    read_headers,
    split_path,
    stream_body,
)
from fhir_dmp.rest.response import Response, build_http_response, present
from fhir_dmp.xml.form import Forms
from fhir_dmp.xml.read import parse_xml

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

FORM = "application/x-www-form-urlencoded"
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_BODY_TYPES = {"PATCH": frozenset({JSON_PATCH, MERGE_PATCH, *RESOURCE_TYPES}), "_search": frozenset({FORM})}
_CDA = "[type]/$dmp-cda"
"""The operation to which general XML is a document, and no resource."""
_VARY = (b"vary", b"accept, accept-encoding")
_MUCH = 256 * 1024
"""Bytes from which on XML is read and written in a thread: it takes half a millisecond a kilobyte."""
_PUBLIC = frozenset({"metadata", ".well-known/smart-configuration"})
"""The paths that need no token; the second has nothing where nobody is known who gives tokens."""
_UNREAD = frozenset({Category.TIMED_OUT, Category.TOO_LARGE})
"""The refusals that leave a body in the connection: what follows there is no next request."""
_ANYONE = Requester(Kind.EXCLUDED, "")
"""Who asks for what is public: access control would show him nothing."""
_SYSTEM: dict[tuple[str, str], Run] = {("POST", ""): process, ("GET", "metadata"): capabilities}

logger = logging.getLogger("fhir_dmp")


@dataclass(frozen=True, slots=True)
class FhirEndpoint:
    """Answers everything below the base URL. Every error leaves as an OperationOutcome."""

    context: Context
    authentication: Authentication
    proxies: TrustedProxies
    limits: BodyLimits
    content_limits: BodyLimits
    base_path: str
    forms: Forms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        headers = read_headers(scope)
        wanted = Presentation()
        try:
            response = await self._answer(scope, receive, headers, wanted)
            response = await self._present(response, wanted)
        except FhirError as fault:
            response = await self._present(self._refuse(fault, scope), wanted)
        except Exception:
            logger.exception("request %s failed", scope.get("fhir_dmp.request_id", ""))
            response = await self._present(respond_to_defect(), wanted)
        await _send(response, send, with_body=scope["method"] != "HEAD")

    async def _answer(self, scope: Scope, receive: Receive, headers: HeaderMap, wanted: Presentation) -> Response:
        accept = headers.get(b"accept", "")
        wanted.format = choose_format(accept, "")
        parameters = parse_parameters(scope["query_string"]) if scope["query_string"] else ()
        if parameters:
            read_presentation(wanted, accept, parameters)
        path = self._path_below(scope)
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        requester, origin = await self._identify(scope, headers, is_public=method == "GET" and path in _PUBLIC)
        shape, parts = parse_path([unquote(segment) for segment in split_path(path)])
        if requester.kind is Kind.EXCLUDED and requester is not _ANYONE:
            await record_excluded(self.context, build_request(requester, origin, parts, path, headers, parameters))
            raise refuse_excluded()
        run = self._find_run(method, shape, parts.resource_type)
        if method in _WITH_BODY:
            check_versions(accept, headers.get(b"content-type", ""))
        is_content = binary.is_read(method, shape, parts.resource_type)
        other = choose_other(shape, accept, dict(parameters).get("_format", ""))
        if not is_bulk(shape) and not is_content and not other:
            require_format(wanted)
        request = build_request(requester, origin, parts, path, headers, parameters)
        request = replace(request, wanted=other) if other else request
        if method in _WITH_BODY:
            request = await self._with_body(request, method, shape, headers, receive)
            if request.parameters is not parameters:
                read_presentation(wanted, accept, request.parameters)
                require_format(wanted)
        format_parameter = ""
        if request.parameters:
            format_parameter = dict(request.parameters).get("_format", "")
            kept = [pair for pair in request.parameters if pair[0] not in PRESENTATION]
            request = replace(request, parameters=kept)
        result = await run(self.context, request)
        if is_content:
            respond = binary.respond_to_read
            return await respond(self.context, result, headers, format_parameter, wanted.format, self.forms)
        return build_http_response(result, self.context.base_url)

    async def _present(self, response: Response, wanted: Presentation) -> Response:
        """What the client wants to see: nothing is to be done for JSON, and much is not done on the event loop."""
        if not (wanted.is_pretty or wanted.format is Format.XML):
            return response
        if len(response.body) < _MUCH:
            return present(response, wanted, self.forms)
        return await asyncio.to_thread(present, response, wanted, self.forms)

    async def _identify(self, scope: Scope, headers: HeaderMap, *, is_public: bool) -> tuple[Requester, Origin]:
        """Returns who asks, and from where; raises FhirError where nobody knows who."""
        peer = (scope.get("client") or ("",))[0]
        request_id = scope.get("fhir_dmp.request_id", "")
        origin = Origin(request_id, self.proxies.find_client(headers, peer), self.context.now())
        if is_public:
            return _ANYONE, origin
        requester = await self.authentication.authenticate(headers, peer)
        return await confine(self.context, requester), origin

    async def _with_body(
        self, request: Request, method: str, shape: str, headers: HeaderMap, receive: Receive
    ) -> Request:
        declared = headers.get(b"content-type", "")
        is_of_lines = takes_lines(shape)
        if is_of_lines:
            parse_content_type(declared, LINES_TYPES)
        if is_of_lines or binary.is_raw(method, shape, request.resource_type, declared):
            # an encoded body is decoded in memory
            limits = self.limits if headers.get(b"content-encoding") else self.content_limits
            content = stream_body(receive, limits, headers)
            context, returns = headers.get(b"x-security-context", ""), request.returns or "minimal"
            return replace(
                request, content=content, media_type=declared.strip(), security_context=context, returns=returns
            )
        if shape == _CDA and declared.partition(";")[0].strip().lower() in CDA_TYPES:
            media_type = parse_content_type(declared, CDA_TYPES)
            return replace(request, body=await read_body(receive, self.limits, headers), media_type=media_type)
        if not shape.endswith("_search"):
            # nothing was sent to an operation: then nothing has to be declared
            if "$" in shape and not declared and not await read_body(receive, self.limits, headers):
                return request
            media_type = parse_content_type(declared, _BODY_TYPES.get(method, RESOURCE_TYPES))
            body = await read_body(receive, self.limits, headers)
            if media_type in XML_TYPES:
                return replace(request, body=await self._translate(body), media_type=FHIR_JSON, is_translated=True)
            return replace(request, body=body, media_type=media_type)
        body = await read_body(receive, self.limits, headers)
        if body:
            parse_content_type(declared, _BODY_TYPES["_search"])
        return replace(request, parameters=[*request.parameters, *parse_parameters(body)])

    async def _translate(self, body: bytes) -> bytes:
        """The JSON of an XML body, by which all interactions go; of no body, none."""
        if len(body) < _MUCH:
            return write_json(parse_xml(body, self.forms)) if body else body
        return write_json(await asyncio.to_thread(parse_xml, body, self.forms))

    def _find_run(self, method: str, shape: str, resource_type: str) -> Run:
        run = _SYSTEM.get((method, shape))
        if run is None and shape == "metadata":
            raise method_not_allowed(method)
        return run or partial(run_traced, self.context.routes.find(method, shape, resource_type))

    def _refuse(self, fault: FhirError, scope: Scope) -> Response:
        response = respond_to_error(fault)
        if fault.category in _UNREAD:
            response.headers.append((b"connection", b"close"))
        if fault.category is Category.NOT_ALLOWED:
            response.headers.append((b"allow", ", ".join(self._allowed(scope)).encode()))
        return response

    def _allowed(self, scope: Scope) -> list[str]:
        """The methods that this URL takes, as far as its type exposes them."""
        shape, parts = parse_path([unquote(segment) for segment in split_path(self._path_below(scope))])
        methods = {method for method, place in _SYSTEM if place == shape}
        methods |= {
            route.method
            for route in self.context.routes.at(shape, parts.resource_type)
            if self.context.capability.permits(parts.resource_type, route.interaction)
        }
        return sorted(methods | {"HEAD"} if "GET" in methods else methods)

    def _path_below(self, scope: Scope) -> str:
        """The path below the base, still percent-encoded: an encoded slash is no separator."""
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        return raw.decode("latin-1").removeprefix(self.base_path).strip("/")


async def _send(response: Response, send: Send, *, with_body: bool) -> None:
    headers = response.headers
    if response.body or response.stream:
        size = response.length if response.stream else len(response.body)
        length = [] if size is None else [(b"content-length", b"%d" % size)]
        headers = [*headers, _VARY, (b"content-type", response.media_type), *length]
    elif response.status == HTTPStatus.NOT_MODIFIED:
        headers = [*headers, _VARY]
    elif response.status != HTTPStatus.NO_CONTENT:
        headers = [*headers, (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if response.stream and with_body:
        async for part in response.stream:
            await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": response.body if with_body else b""})
