"""authorization_code with PKCE: what an app asks for, and the code it gets when the user agrees.

https://www.rfc-editor.org/rfc/rfc7636 (S256 only), https://www.rfc-editor.org/rfc/rfc9207.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from urllib.parse import urlencode

from fhir_dmp.issuer.clients import Client
from fhir_dmp.issuer.fault import OAuthError, need
from fhir_dmp.issuer.grant import Grant
from fhir_dmp.issuer.scope import LAUNCH, OFFLINE, grant_scopes
from fhir_dmp.issuer.server import AuthorizationServer
from fhir_dmp.issuer.state import Item
from fhir_dmp.json_text import JsonObject

CODE_MILLISECONDS = 60_000
REQUEST_MILLISECONDS = 600_000
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")


class RequestRefused(Exception):
    """An authorisation request that must not be answered at its redirect URI, which is not to be trusted."""


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """What an app asks a user for, after it was checked."""

    client: str
    redirect_uri: str
    state: str
    challenge: str
    scopes: tuple[str, ...]

    def redirect(self, issuer: str, **answer: str) -> str:
        """Returns where the user is sent back to, with an answer."""
        given = {**answer, **({"state": self.state} if self.state else {}), "iss": issuer}
        return f"{self.redirect_uri}{'&' if '?' in self.redirect_uri else '?'}{urlencode(given)}"


def find_redirect(server: AuthorizationServer, query: Mapping[str, str]) -> tuple[Client, AuthorizationRequest]:
    """Returns the client and where to answer; raises RequestRefused."""
    client = server.clients.get(query.get("client_id", ""))
    uri = query.get("redirect_uri", "")
    if client is None or not client.may_redirect_to(uri):
        raise RequestRefused("This client, or the address it wants the answer at, is not registered.")
    return client, AuthorizationRequest(client.id, uri, query.get("state", ""), "", ())


def check_request(
    server: AuthorizationServer, client: Client, request: AuthorizationRequest, query: Mapping[str, str]
) -> AuthorizationRequest:
    """Returns the request in full; raises OAuthError, which is answered at the redirect URI."""
    if query.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "response_type is code")
    if query.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(query.get("code_challenge", "")):
        raise OAuthError("invalid_request", "PKCE is needed: code_challenge, with code_challenge_method S256")
    if query.get("aud", server.audience).rstrip("/") != server.audience:
        raise OAuthError("invalid_request", "aud is not the base URL of this server")
    contexts = [context for context in client.contexts if context != "system"]
    scopes = grant_scopes(query.get("scope", ""), contexts, {OFFLINE, LAUNCH})
    return replace(request, challenge=query["code_challenge"], scopes=scopes)


async def remember_request(server: AuthorizationServer, request: AuthorizationRequest) -> str:
    """Returns the handle that the page sends back with the user's decision: nobody else can guess it."""
    handle, now = token_urlsafe(32), server.now()
    await server.state.put(Item.REQUEST, handle, asdict(request), now + REQUEST_MILLISECONDS, now)
    return handle


async def recall_request(server: AuthorizationServer, handle: str) -> AuthorizationRequest:
    """Returns the request of a handle, once; raises RequestRefused."""
    found = await server.state.take(Item.REQUEST, handle, server.now())
    if found is None:
        raise RequestRefused("This request was answered, or is too old.")
    return AuthorizationRequest(**{**found, "scopes": tuple(found["scopes"])})


async def issue_code(server: AuthorizationServer, request: AuthorizationRequest, grant: Grant) -> str:
    """Returns a code: good once, for a minute, for the app that has the verifier."""
    code, now = token_urlsafe(32), server.now()
    grant = replace(grant, session=server.new_id())
    value = {"request": asdict(request), "grant": grant.as_json()}
    await server.state.put(Item.CODE, code, value, now + CODE_MILLISECONDS, now)
    return code


async def redeem_code(server: AuthorizationServer, client: Client, form: Mapping[str, str]) -> Grant:
    """Returns the grant of a code; one that comes twice was stolen, and its tokens are revoked. Raises OAuthError."""
    code = need(form, "code")
    found = await server.state.take(Item.CODE, code, server.now())
    if found is None:
        used = await server.state.find(Item.CODE, code, server.now())
        if used:
            await server.revoke(used["grant"]["session"])
        raise _invalid_grant()
    request = found["request"]
    is_same = request["client"] == client.id and request["redirect_uri"] == form.get("redirect_uri", "")
    if not is_same or not _proves(form.get("code_verifier", ""), request):
        raise _invalid_grant()
    return Grant.from_json(found["grant"])


def _proves(verifier: str, request: JsonObject) -> bool:
    if not _VERIFIER.fullmatch(verifier):
        return False
    challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return compare_digest(challenge, request["challenge"])


def _invalid_grant() -> OAuthError:
    return OAuthError("invalid_grant", "the code is not known, was used, or is not this client's")
