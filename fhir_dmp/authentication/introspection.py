"""Asks the issuer whether a token is still good: https://www.rfc-editor.org/rfc/rfc7662."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import orjson

from fhir_dmp.authentication import key_set
from fhir_dmp.authentication.fault import IssuerUnreachable
from fhir_dmp.authentication.issuers import IntrospectionEndpoint
from fhir_dmp.authentication.key_set import PLAIN, read_limited
from fhir_dmp.json_text import JsonObject

IsActive = Callable[[str, JsonObject], Awaitable[bool]]
"""(token, claims) → whether it has not been revoked. Raises IssuerUnreachable."""


def by_introspection(client: httpx.AsyncClient, endpoint: IntrospectionEndpoint) -> IsActive:
    """Returns how an issuer is asked. Only a clear yes is one."""

    async def is_active(token: str, claims: JsonObject) -> bool:
        answer = await introspect(client, endpoint, token)
        return answer.get("active") is True and answer.get("sub", claims.get("sub")) == claims.get("sub")

    return is_active


async def introspect(client: httpx.AsyncClient, endpoint: IntrospectionEndpoint, token: str) -> JsonObject:
    """Returns what an issuer answers about a token; raises IssuerUnreachable where that is no answer."""
    try:
        async with (
            asyncio.timeout(key_set.IN_ALL),
            client.stream(
                "POST",
                endpoint.url,
                data={"token": token, "token_type_hint": "access_token"},
                auth=httpx.BasicAuth(endpoint.client_id, endpoint.client_secret),
                headers=PLAIN,
                follow_redirects=False,
            ) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                raise IssuerUnreachable(f"introspection answers {answer.status_code}")
            value = orjson.loads(await read_limited(answer))
    except (httpx.HTTPError, TimeoutError, ValueError) as fault:
        raise IssuerUnreachable(f"introspection: {type(fault).__name__}") from None
    if not isinstance(value, dict):
        raise IssuerUnreachable("introspection answers no object")
    return value
