"""The token endpoint: a grant becomes tokens. https://www.rfc-editor.org/rfc/rfc6749#section-3.2."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from fhir_dmp.issuer.authorization import redeem_code
from fhir_dmp.issuer.client_authentication import Caller, authenticate_client, authenticate_confidential
from fhir_dmp.issuer.clients import Client
from fhir_dmp.issuer.exchange import GRANT_TYPE as EXCHANGE
from fhir_dmp.issuer.exchange import exchange
from fhir_dmp.issuer.fault import OAuthError, need
from fhir_dmp.issuer.grant import Grant, bind, of_system
from fhir_dmp.issuer.scope import grant_scopes, narrow_scopes
from fhir_dmp.issuer.server import AuthorizationServer
from fhir_dmp.issuer.state import Item
from fhir_dmp.json_text import JsonObject


async def answer_token(server: AuthorizationServer, caller: Caller) -> JsonObject:
    """Returns the answer to a request for tokens; raises OAuthError."""
    grant_type = need(caller.form, "grant_type")
    run = _GRANTS.get(grant_type)
    if run is None:
        raise OAuthError("unsupported_grant_type", f"grant_type is one of {', '.join(_GRANTS)}")
    must_prove = grant_type in {"client_credentials", EXCHANGE}
    authenticate = authenticate_confidential if must_prove else authenticate_client
    client = await authenticate(server, await _name_client(server, caller))
    if client.secret_sha256:
        raise OAuthError("unauthorized_client", "this client is registered for introspection only")
    return await run(server, client, caller)


async def _name_client(server: AuthorizationServer, caller: Caller) -> Caller:
    """A public client need not name itself when it refreshes (RFC 6749, 6): the token says whose it is."""
    is_named = caller.authorization or caller.certificate or {"client_id", "client_assertion"} & caller.form.keys()
    if is_named or caller.form.get("grant_type") != "refresh_token":
        return caller
    found = await server.state.find(Item.REFRESH, need(caller.form, "refresh_token"), server.now())
    if found is None:
        raise _invalid_refresh()
    return replace(caller, form={**caller.form, "client_id": Grant.from_json(found).client})


async def _redeem(server: AuthorizationServer, client: Client, caller: Caller) -> JsonObject:
    grant = await redeem_code(server, client, caller.form)
    return await server.answer(bind(grant, _thumbprint(caller)))


async def _refresh(server: AuthorizationServer, client: Client, caller: Caller) -> JsonObject:
    """A refresh token is good once. One that comes again was stolen: what came of it is revoked.

    It is not spent on scopes that it does not give: the client may ask again for fewer.
    """
    token, asked = need(caller.form, "refresh_token"), caller.form.get("scope", "")
    known = await server.state.find(Item.REFRESH, token, server.now())
    if known and known["client"] == client.id:
        narrow_scopes(asked, tuple(known["scopes"]))
    found = await server.state.take(Item.REFRESH, token, server.now())
    if found is None:
        used = await server.state.find(Item.REFRESH, token, server.now())
        if used:
            await server.revoke(used["session"])
        raise _invalid_refresh()
    grant = Grant.from_json(found)
    is_revoked = await server.state.find(Item.REVOKED, grant.session, server.now()) is not None
    if is_revoked or grant.client != client.id or grant.thumbprint not in {"", _thumbprint(caller)}:
        raise _invalid_refresh()
    return await server.answer(replace(grant, scopes=narrow_scopes(asked, grant.scopes)))


async def _grant_system(server: AuthorizationServer, client: Client, caller: Caller) -> JsonObject:
    scopes = grant_scopes(caller.form.get("scope", ""), [context for context in client.contexts if context == "system"])
    grant = of_system(client.kind, client.id, client.organization, scopes)
    return await server.answer(bind(grant, _thumbprint(caller)))


_GRANTS: dict[str, Callable[[AuthorizationServer, Client, Caller], Awaitable[JsonObject]]] = {
    "authorization_code": _redeem,
    "refresh_token": _refresh,
    "client_credentials": _grant_system,
    EXCHANGE: exchange,
}


def _thumbprint(caller: Caller) -> str:
    return caller.certificate.thumbprint if caller.certificate else ""


def _invalid_refresh() -> OAuthError:
    return OAuthError("invalid_grant", "the refresh token is not known, was used, or is not this client's")
