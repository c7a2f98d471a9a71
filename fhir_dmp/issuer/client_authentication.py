"""Who calls the token endpoint: an assertion, a certificate, a secret, or a public client's word.

private_key_jwt: https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html.
tls_client_auth: https://www.rfc-editor.org/rfc/rfc8705#section-2.1.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus

from fhir_dmp.authentication.algorithm import ASSERTIONS
from fhir_dmp.authentication.certificate import ClientCertificate
from fhir_dmp.authentication.fault import IssuerUnreachable, TokenRefused
from fhir_dmp.authentication.token import LEEWAY_SECONDS, Unverified, check_claims, parse_token, verify
from fhir_dmp.issuer.clients import Client
from fhir_dmp.issuer.fault import OAuthError
from fhir_dmp.issuer.server import AuthorizationServer
from fhir_dmp.issuer.state import Item
from fhir_dmp.json_text import JsonObject

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LONGEST_SECONDS = 300
Form = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Caller:
    """A request to an endpoint: its form, its Authorization header, and the certificate of its connection."""

    form: Form
    authorization: str = ""
    certificate: ClientCertificate | None = None


async def authenticate_client(server: AuthorizationServer, caller: Caller) -> Client:
    """Returns who calls, confidential or public; raises OAuthError (invalid_client).

    A request proves it in one way (RFC 6749, 2.3); a certificate besides is what its tokens are bound to.
    """
    if sum([caller.authorization != "", "client_assertion" in caller.form, "client_secret" in caller.form]) > 1:
        raise OAuthError("invalid_request", "the client proves who it is in more than one way")
    if "client_assertion" in caller.form:
        return await _check_assertion(server, caller.form)
    if caller.authorization:
        return _check_secret(server, caller)
    client = _find_by_certificate(server, caller) or server.clients.get(caller.form.get("client_id", ""))
    if client is None or not (client.is_public or client.certificate_subject):
        raise _unknown()
    if client.certificate_subject and client is not _find_by_certificate(server, caller):
        raise _unknown()
    return client


async def authenticate_confidential(server: AuthorizationServer, caller: Caller) -> Client:
    """Returns who calls, where it has proved that; raises OAuthError (invalid_client)."""
    client = await authenticate_client(server, caller)
    if client.is_public:
        raise _unknown()
    return client


def _find_by_certificate(server: AuthorizationServer, caller: Caller) -> Client | None:
    subject = caller.certificate.subject if caller.certificate else ""
    wanted = caller.form.get("client_id")
    found = [
        client
        for client in server.clients.values()
        if subject and client.certificate_subject == subject and wanted in {None, client.id}
    ]
    return found[0] if len(found) == 1 else None


def _check_secret(server: AuthorizationServer, caller: Caller) -> Client:
    scheme, _, encoded = caller.authorization.partition(" ")
    try:
        name, _, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        raise _unknown() from None
    client = server.clients.get(unquote_plus(name))
    if scheme.lower() != "basic" or client is None or not client.has_secret(unquote_plus(secret)):
        raise _unknown()
    if caller.form.get("client_id", client.id) != client.id:
        raise _unknown()
    return client


async def _check_assertion(server: AuthorizationServer, form: Form) -> Client:
    try:
        return await _verify_assertion(server, form)
    except TokenRefused as fault:
        raise OAuthError("invalid_client", f"the client assertion is refused: {fault}") from None
    except IssuerUnreachable:
        raise OAuthError("invalid_client", "the keys of the client cannot be had") from None


async def _verify_assertion(server: AuthorizationServer, form: Form) -> Client:
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise TokenRefused("client_assertion_type")
    token = parse_token(form["client_assertion"], ASSERTIONS, frozenset({"jwt"}))
    client = _find_issuer(server, token, form)
    claims = await verify(token, ASSERTIONS, server.keys_of(client).find)
    now = server.now()
    check_claims({"iat": now // 1000, **claims}, client.id, (server.endpoints.token, server.url), now)
    await _use_once(server, client, claims)
    return client


def _find_issuer(server: AuthorizationServer, token: Unverified, form: Form) -> Client:
    name = token.claims.get("iss")
    client = server.clients.get(name) if isinstance(name, str) else None
    if client is None or not (client.jwks or client.jwks_uri) or form.get("client_id", client.id) != client.id:
        raise TokenRefused("iss")
    if token.claims.get("sub") != client.id:
        raise TokenRefused("sub")
    return client


async def _use_once(server: AuthorizationServer, client: Client, claims: JsonObject) -> None:
    now = server.now()
    if claims["exp"] * 1000 > now + (_LONGEST_SECONDS + LEEWAY_SECONDS) * 1000:
        raise TokenRefused("exp is more than five minutes ahead")
    forgotten = now + (_LONGEST_SECONDS + 3 * LEEWAY_SECONDS) * 1000
    if not await server.state.put(Item.ASSERTION, f"{client.id} {claims['jti']}", {}, forgotten, now):
        raise TokenRefused("jti was used before")


def _unknown() -> OAuthError:
    return OAuthError("invalid_client", "the client is not known, or has not proved who it is")
