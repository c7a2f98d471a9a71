"""The endpoints of the local issuer, below /auth, for FastAPI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from fhir_dmp.issuer.authorization import (
    RequestRefused,
    check_request,
    find_redirect,
    issue_code,
    recall_request,
    remember_request,
)
from fhir_dmp.issuer.client_authentication import Caller
from fhir_dmp.issuer.fault import OAuthError
from fhir_dmp.issuer.identities import Identity, choose
from fhir_dmp.issuer.page import HEADERS, build_page, build_refusal
from fhir_dmp.issuer.server import AuthorizationServer
from fhir_dmp.issuer.token_endpoint import answer_token
from fhir_dmp.issuer.token_state import introspect, revoke
from fhir_dmp.json_text import JsonObject

LARGEST_FORM = 64 * 1024
_MOST_FIELDS = 50
_FORM = "application/x-www-form-urlencoded"
_NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}
Endpoint = Callable[[Request], Awaitable[Response]]


def build_router(server: Callable[[], AuthorizationServer], identities: Sequence[Identity] = ()) -> APIRouter:
    """Returns the endpoints; `server` is asked for at each request, because it starts after them."""
    router = APIRouter(prefix="/auth", tags=["local issuer (demo)"])

    async def run_token(request: Request) -> JsonObject:
        return await answer_token(server(), await _read_caller(request, server()))

    async def run_introspection(request: Request) -> JsonObject:
        return await introspect(server(), await _read_caller(request, server()))

    async def run_revocation(request: Request) -> JsonObject:
        await revoke(server(), await _read_caller(request, server()))
        return {}

    async def show(request: Request) -> Response:
        return await _show(server(), identities, request)

    async def decide(request: Request) -> Response:
        return await _decide(server(), identities, request)

    async def jwks() -> Response:
        return JSONResponse(server().keys.public, headers={"cache-control": "public, max-age=300"})

    def answer(run: Callable[[Request], Awaitable[JsonObject]]) -> Endpoint:
        return _as_json(run, server)

    router.add_api_route("/token", answer(run_token), methods=["POST"], summary="Tokens")
    router.add_api_route("/introspect", answer(run_introspection), methods=["POST"], summary="Introspection")
    router.add_api_route("/revoke", answer(run_revocation), methods=["POST"], summary="Revocation")
    router.add_api_route("/authorize", show, methods=["GET"], summary="Sign in and agree")
    router.add_api_route("/authorize", decide, methods=["POST"], summary="The decision")
    router.add_api_route("/jwks", jwks, methods=["GET"], summary="Public keys")
    return router


def _as_json(run: Callable[[Request], Awaitable[JsonObject]], server: Callable[[], AuthorizationServer]) -> Endpoint:
    """Nothing that these endpoints answer may be cached; their errors are OAuth's; apps in browsers may read them."""

    async def endpoint(request: Request) -> Response:
        headers = {**_NO_STORE, **_share(request.headers.get("origin", ""), server())}
        try:
            return JSONResponse(await run(request), headers=headers)
        except OAuthError as fault:
            body = {"error": fault.code, "error_description": fault.description}
            challenge = (
                {"www-authenticate": 'Basic realm="fhir-dmp"'} if fault.status == HTTPStatus.UNAUTHORIZED else {}
            )
            return JSONResponse(body, fault.status, headers={**headers, **challenge})

    return endpoint


def _share(origin: str, server: AuthorizationServer) -> dict[str, str]:
    """CORS, for the pages of registered clients alone: https://fetch.spec.whatwg.org/#http-cors-protocol."""
    is_known = bool(origin) and any(client.may_call_from(origin) for client in server.clients.values())
    return {"vary": "Origin", **({"access-control-allow-origin": origin} if is_known else {})}


async def _show(server: AuthorizationServer, identities: Sequence[Identity], request: Request) -> Response:
    query = dict(request.query_params)
    if len(query) != len(request.query_params.multi_items()):
        return _refuse("A parameter appears twice.")
    try:
        client, asked = find_redirect(server, query)
    except RequestRefused as fault:
        return _refuse(str(fault))
    try:
        asked = check_request(server, client, asked, query)
    except OAuthError as fault:
        return _redirect(asked.redirect(server.url, error=fault.code, error_description=fault.description))
    handle = await remember_request(server, asked)
    return HTMLResponse(build_page(client, asked, handle, identities), headers=HEADERS)


async def _decide(server: AuthorizationServer, identities: Sequence[Identity], request: Request) -> Response:
    try:
        form = await _read_form(request)
        asked = await recall_request(server, form.get("request", ""))
    except (RequestRefused, OAuthError) as fault:
        return _refuse(str(fault))
    if form.get("decision") != "allow":
        return _redirect(asked.redirect(server.url, error="access_denied"))
    try:
        grant = choose(identities, form, asked.client, asked.scopes)
    except OAuthError as fault:
        return _redirect(asked.redirect(server.url, error=fault.code, error_description=fault.description))
    return _redirect(asked.redirect(server.url, code=await issue_code(server, asked, grant)))


def _refuse(message: str) -> Response:
    return HTMLResponse(build_refusal(message), HTTPStatus.BAD_REQUEST, headers=HEADERS)


def _redirect(url: str) -> Response:
    return RedirectResponse(url, HTTPStatus.SEE_OTHER, headers=_NO_STORE)


async def _read_caller(request: Request, server: AuthorizationServer) -> Caller:
    headers = {name.lower().encode(): ", ".join(request.headers.getlist(name)) for name in request.headers}
    peer = request.client.host if request.client else ""
    certificate = server.proxies.read_certificate(headers, peer)
    return Caller(await _read_form(request), request.headers.get("authorization", ""), certificate)


async def _read_form(request: Request) -> dict[str, str]:
    """The fields of a form, each of which may appear once; raises OAuthError."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise OAuthError("invalid_request", f"the body is {_FORM}")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise OAuthError("invalid_request", "the form is too large")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise OAuthError("invalid_request", "the form is not percent-encoded UTF-8") from None
    if len(dict(pairs)) != len(pairs):
        raise OAuthError("invalid_request", "a parameter appears twice")
    return {name: value for name, value in pairs if value}
