"""What Pro Santé Connect says of a token it issued: introspection first, then userinfo as JSON or as a signed JWT."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import httpx
import orjson

from fhir_dmp.authentication import key_set
from fhir_dmp.authentication.algorithm import ACCESS_TOKENS
from fhir_dmp.authentication.fault import IssuerUnreachable, TokenRefused
from fhir_dmp.authentication.introspection import introspect
from fhir_dmp.authentication.issuers import IntrospectionEndpoint
from fhir_dmp.authentication.key_set import PLAIN, KeySet, read_limited
from fhir_dmp.authentication.token import parse_token, verify
from fhir_dmp.json_text import JsonObject


@dataclass(frozen=True, slots=True)
class ProSanteConnect:
    """Where Pro Santé Connect is, and the keys that it signs userinfo with."""

    issuer: str
    introspection: IntrospectionEndpoint
    userinfo: str
    keys: KeySet
    http: httpx.AsyncClient

    async def introspect(self, token: str) -> JsonObject:
        """Returns what is known of an active token; raises TokenRefused and IssuerUnreachable."""
        answer = await introspect(self.http, self.introspection, token)
        if answer.get("active") is not True or answer.get("iss", self.issuer) != self.issuer:
            raise TokenRefused("Pro Santé Connect does not know this token, or no longer")
        return answer

    async def fetch_userinfo(self, token: str, subject: object) -> JsonObject:
        """Returns who the token is of; raises TokenRefused and IssuerUnreachable."""
        kind, body = await self._get(token)
        userinfo = await self._read_signed(body) if kind == "application/jwt" else _parse(body)
        if not userinfo.get("sub") or userinfo["sub"] != subject:
            raise TokenRefused("userinfo is of someone else")
        return userinfo

    async def _get(self, token: str) -> tuple[str, bytes]:
        headers = {**PLAIN, "authorization": f"Bearer {token}", "accept": "application/json, application/jwt"}
        try:
            async with (
                asyncio.timeout(key_set.IN_ALL),
                self.http.stream("GET", self.userinfo, headers=headers, follow_redirects=False) as answer,
            ):
                if answer.status_code != httpx.codes.OK:
                    raise TokenRefused("Pro Santé Connect gives no userinfo for this token")
                kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
                return kind, await read_limited(answer)
        except (httpx.HTTPError, TimeoutError, ValueError) as fault:
            raise IssuerUnreachable(f"userinfo: {type(fault).__name__}") from None

    async def _read_signed(self, body: bytes) -> JsonObject:
        token = parse_token(body.decode("latin-1").strip(), ACCESS_TOKENS, frozenset({"jwt"}))
        claims = await verify(token, ACCESS_TOKENS, self.keys.find)
        if claims.get("iss") != self.issuer:
            raise TokenRefused("userinfo is signed by another issuer")
        return claims


def _parse(body: bytes) -> JsonObject:
    try:
        value = orjson.loads(body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise IssuerUnreachable("userinfo is no JSON object")
    return value
