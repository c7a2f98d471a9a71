"""Introspection (RFC 7662) and revocation (RFC 7009) of the tokens of the local issuer."""

from __future__ import annotations

from fhir_dmp.authentication.algorithm import ACCESS_TOKENS
from fhir_dmp.authentication.fault import TokenRefused
from fhir_dmp.authentication.key_set import KeySet, from_keys
from fhir_dmp.authentication.token import LEEWAY_SECONDS, check_claims, parse_token, verify
from fhir_dmp.issuer.client_authentication import Caller, authenticate_client, authenticate_confidential
from fhir_dmp.issuer.fault import need
from fhir_dmp.issuer.server import AuthorizationServer
from fhir_dmp.issuer.state import Item
from fhir_dmp.json_text import JsonObject

_TYPES = frozenset({"at+jwt"})
_SHOWN = ("scope", "client_id", "exp", "iat", "iss", "sub", "aud", "jti", "patient", "fhirUser", "cnf", "extensions")


async def introspect(server: AuthorizationServer, caller: Caller) -> JsonObject:
    """Returns what is known of a token; raises OAuthError where a stranger asks."""
    await authenticate_confidential(server, caller)
    claims = await _read(server, need(caller.form, "token"))
    if claims is None or not await server.is_active("", claims):
        return {"active": False}
    return {"active": True, "token_type": "Bearer", **{name: claims[name] for name in _SHOWN if name in claims}}


async def revoke(server: AuthorizationServer, caller: Caller) -> None:
    """Revokes a token of the client that asks, and says nothing of any other; raises OAuthError."""
    client = await authenticate_client(server, caller)
    token = need(caller.form, "token")
    stored = await server.state.find(Item.REFRESH, token, server.now())
    if stored is not None:
        if stored["client"] == client.id:
            await server.revoke(stored["session"])
        return
    claims = await _read(server, token)
    if claims is not None and claims.get("client_id") == client.id:
        await server.revoke(claims["jti"], int(claims["exp"] + LEEWAY_SECONDS) * 1000)


async def _read(server: AuthorizationServer, text: str) -> JsonObject | None:
    """The claims of a token that is ours and has not expired."""
    try:
        token = parse_token(text, ACCESS_TOKENS, _TYPES)
        claims = await verify(token, ACCESS_TOKENS, KeySet(from_keys(server.keys.public), server.now).find)
        check_claims(claims, server.url, (server.audience,), server.now())
    except TokenRefused:
        return None
    return claims
