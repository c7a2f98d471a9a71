"""Token exchange: a professional's Pro Santé Connect token becomes one of ours. https://www.rfc-editor.org/rfc/rfc8693."""

from __future__ import annotations

from dataclasses import replace

from fhir_dmp.authentication.certificate import is_bound_to
from fhir_dmp.authentication.fault import IssuerUnreachable, RequesterUnknown, TokenRefused
from fhir_dmp.authentication.pro_sante_connect import read_userinfo
from fhir_dmp.authentication.statement import Statement
from fhir_dmp.issuer.client_authentication import Caller, Form
from fhir_dmp.issuer.clients import Client
from fhir_dmp.issuer.fault import OAuthError
from fhir_dmp.issuer.grant import Grant, bind, of_professional
from fhir_dmp.issuer.pro_sante_connect import ProSanteConnect
from fhir_dmp.issuer.purpose import read_purpose
from fhir_dmp.issuer.scope import grant_scopes
from fhir_dmp.issuer.server import AuthorizationServer
from fhir_dmp.json_text import JsonObject

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ISSUED_TYPE = "urn:ietf:params:oauth:token-type:access_token"
EXCHANGED_SECONDS = 120
_SUBJECT_TYPES = frozenset({ISSUED_TYPE, "urn:ietf:params:oauth:token-type:jwt"})


async def exchange(server: AuthorizationServer, client: Client, caller: Caller) -> JsonObject:
    """Returns the answer of the token endpoint; raises OAuthError."""
    grant = await _build_grant(server, client, caller.form)
    if caller.certificate:
        _check_confirmation(caller)
        grant = bind(grant, caller.certificate.thumbprint)
    answer = await server.answer(grant, EXCHANGED_SECONDS)
    return {**answer, "issued_token_type": ISSUED_TYPE}


async def _build_grant(server: AuthorizationServer, client: Client, form: Form) -> Grant:
    source = server.pro_sante_connect
    if source is None:
        raise OAuthError("unsupported_grant_type", "no issuer is configured whose tokens could be exchanged")
    if form.get("subject_token_type") not in _SUBJECT_TYPES or not form.get("subject_token"):
        raise OAuthError("invalid_request", "subject_token and its subject_token_type are needed")
    _check_wish(server, form)
    scopes = grant_scopes(form.get("scope", ""), [context for context in client.contexts if context == "user"])
    purpose, reason = read_purpose(form)
    statement = await _ask(source, client, form)
    statement = replace(statement, purposes=(purpose,), reason=reason)
    return of_professional(statement, client.id, scopes)


def _check_wish(server: AuthorizationServer, form: Form) -> None:
    """What is asked for has to be what is given: a token of this kind, for this server, of the subject alone."""
    if any(form.get(name, server.audience).rstrip("/") != server.audience for name in ("audience", "resource")):
        raise OAuthError("invalid_target", "tokens are for the base URL of this server alone")
    if form.get("requested_token_type", ISSUED_TYPE) != ISSUED_TYPE:
        raise OAuthError("invalid_request", f"requested_token_type is {ISSUED_TYPE}")
    if {"actor_token", "actor_token_type"} & form.keys():
        raise OAuthError("invalid_request", "nobody acts for the subject here: actor_token is not taken")


async def _ask(source: ProSanteConnect, client: Client, form: Form) -> Statement:
    token = form["subject_token"]
    try:
        known = await source.introspect(token)
        _check_origin(known, client)
        userinfo = await source.fetch_userinfo(token, known.get("sub"))
        return read_userinfo(userinfo, form.get("situation_exercice", ""))
    except TokenRefused as fault:
        # the code that RFC 8693, 2.2.2 has for it
        raise OAuthError("invalid_request", f"the subject_token is refused: {fault}") from None
    except RequesterUnknown as fault:
        raise OAuthError("invalid_request", str(fault)) from None
    except IssuerUnreachable:
        raise OAuthError("temporarily_unavailable", "Pro Santé Connect does not answer now") from None


def _check_origin(known: JsonObject, client: Client) -> None:
    """A token that was issued to another app than this client's was perhaps stolen from it."""
    if known.get("azp", known.get("client_id")) not in client.subject_token_clients:
        raise TokenRefused("it was issued to an app that this client does not speak for")


def _check_confirmation(caller: Caller) -> None:
    """A `cnf` that the client sends must be that of its own connection."""
    wanted = caller.form.get("cnf")
    if wanted is not None and not is_bound_to({"x5t#S256": wanted}, caller.certificate):
        raise OAuthError("invalid_request", "cnf is not the certificate of this connection")
