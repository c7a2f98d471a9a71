"""A signed token: what it says before and after its signature is checked. https://www.rfc-editor.org/rfc/rfc8725."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import isfinite

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry
from joserfc.util import urlsafe_b64decode

from fhir_dmp.authentication.algorithm import Algorithms, Key
from fhir_dmp.authentication.fault import TokenRefused
from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import Json, JsonObject

LARGEST = 8 * 1024
LEEWAY_SECONDS = 10
"""How far clocks may be apart."""
_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")

FindKey = Callable[[str, str, Algorithms], Awaitable[Key | None]]
"""(kid, algorithm, accepted) → key. Raises IssuerUnreachable."""


@dataclass(frozen=True, slots=True)
class Unverified:
    """A token as it came: nothing in it is to be believed, but for whose key is to be tried."""

    text: str
    algorithm: str
    kid: str
    claims: JsonObject


class _Registry(JWSRegistry):
    """Header parameters that are not understood are ignored; `crit`, and what is too large, is refused before."""

    max_header_length = LARGEST


def parse_token(text: str, accepted: Algorithms, types: frozenset[str]) -> Unverified:
    """Returns a token whose header is acceptable; raises TokenRefused. `types` are those of `typ`, in lower case."""
    if len(text) > LARGEST:
        raise TokenRefused("too large")
    if not _FORM.fullmatch(text):
        raise TokenRefused("not a signed JWT")
    header, claims = (_decode(part) for part in text.split(".")[:2])
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ")
    if not isinstance(algorithm, str) or algorithm not in accepted:
        raise TokenRefused("algorithm")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in types:
        raise TokenRefused("typ")
    if not isinstance(kid, str) or "crit" in header:
        raise TokenRefused("no kid, or crit")
    return Unverified(text, algorithm, kid, claims)


async def verify(token: Unverified, accepted: Algorithms, find: FindKey) -> JsonObject:
    """Returns the claims of a token whose signature is that of a key; raises TokenRefused and IssuerUnreachable."""
    key = await find(token.kid, token.algorithm, accepted)
    if key is None:
        raise TokenRefused("no such key")
    try:
        registry = _Registry(algorithms=[token.algorithm], strict_check_header=False)
        return jwt.decode(token.text, key, algorithms=[token.algorithm], registry=registry).claims
    except (JoseError, ValueError, RecursionError) as fault:
        # the library's reader of JSON goes less deep than the one that has read the token before
        raise TokenRefused(type(fault).__name__) from None


def check_claims(claims: JsonObject, issuer: str, audience: tuple[str, ...], now: Milliseconds) -> None:
    """Raises TokenRefused unless the claims are for us, now, and complete, and their times are some time."""
    registry = JWTClaimsRegistry(
        now=now // 1000,
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "values": list(audience)},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
        jti={"essential": True},
    )
    try:
        registry.validate(claims)
    except JoseError as fault:
        raise TokenRefused(f"{type(fault).__name__} {getattr(fault, 'claim', '')}") from None
    if not all(isfinite(float(claims[name]) * 1000) for name in ("exp", "iat")):
        raise TokenRefused("no time that there is")


def _decode(part: str) -> JsonObject:
    try:
        value: Json = orjson.loads(urlsafe_b64decode(part.encode()))
    except ValueError:
        raise TokenRefused("not JSON") from None
    if not isinstance(value, dict):
        raise TokenRefused("not a JSON object")
    return value
