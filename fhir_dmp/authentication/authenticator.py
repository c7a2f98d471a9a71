"""Authenticator: the one way from a request's headers and peer to the Requester behind it.

    Authorization: Bearer …  → issuer → key → signature → claims → not revoked → Requester
    cnf.x5t#S256             → the certificate of this very connection

Verified tokens are kept until they expire; whether one was revoked is asked again after a short while.
"""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import httpx

from fhir_dmp.access.requester import OPEN, Requester
from fhir_dmp.authentication.algorithm import ACCESS_TOKENS
from fhir_dmp.authentication.certificate import TrustedProxies, is_bound_to
from fhir_dmp.authentication.fault import (
    IssuerUnreachable,
    RequesterUnknown,
    TokenRefused,
    refuse_invalid,
    refuse_missing,
    refuse_requester,
    refuse_unreachable,
)
from fhir_dmp.authentication.introspection import IsActive, by_introspection
from fhir_dmp.authentication.issuers import Issuer
from fhir_dmp.authentication.judgement import build_requester
from fhir_dmp.authentication.key_set import KeySet, from_file, from_url
from fhir_dmp.authentication.token import LEEWAY_SECONDS, check_claims, parse_token, verify
from fhir_dmp.instant import Milliseconds
from fhir_dmp.json_text import JsonObject

KEPT = 10_000
"""Verified tokens that are kept at most."""
UNASKED: Milliseconds = 15_000
"""How long a token counts as not revoked after its issuer said so."""
_TYPES = frozenset({"jwt", "at+jwt"})
_BEARER = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*)", re.IGNORECASE)

logger = logging.getLogger("fhir_dmp.authentication")


class Authentication(Protocol):
    """How the server learns who asks."""

    async def authenticate(self, headers: Mapping[bytes, str], peer: str) -> Requester:
        """Returns who asks. `headers` are by lower-case name, `peer` is the address the connection comes from.

        Raises FhirError: unauthenticated without a token or with a bad one, forbidden where it does not say who
        asks, unavailable where it cannot be checked now.
        """


class OpenAuthenticator:
    """Lets everyone in, as a server on the loopback address that was started without tokens does."""

    async def authenticate(self, headers: Mapping[bytes, str], peer: str) -> Requester:  # noqa: ARG002  as the protocol
        """Returns OPEN, whatever is sent."""
        return OPEN


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """An issuer, its keys, and how it is asked whether a token was revoked (None: it is not)."""

    issuer: Issuer
    keys: KeySet
    is_active: IsActive | None = None


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token that was accepted. Times are in milliseconds; `asked_at` is when its issuer last said it is good."""

    requester: Requester
    claims: JsonObject
    source: TrustedIssuer
    expires_at: Milliseconds
    asked_at: Milliseconds


class Authenticator:
    """Accepts the tokens of some issuers."""

    def __init__(
        self, issuers: Iterable[TrustedIssuer], proxies: TrustedProxies, base_url: str, now: Callable[[], Milliseconds]
    ) -> None:
        """Asks nobody anything yet. `base_url` is what the `fhirUser` of a token may begin with."""
        self._base_url = base_url
        self._issuers = {source.issuer.name: source for source in issuers}
        self._proxies = proxies
        self._now = now
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()

    async def authenticate(self, headers: Mapping[bytes, str], peer: str) -> Requester:
        """See Authentication."""
        try:
            verified = await self._verify(headers.get(b"authorization", ""))
            self._check_binding(verified, headers, peer)
        except TokenRefused as fault:
            logger.info("token refused: %s", fault)
            raise refuse_invalid() from None
        except IssuerUnreachable as fault:
            logger.warning("token not checked: %s", fault)
            raise refuse_unreachable() from None
        except RequesterUnknown as fault:
            raise refuse_requester(str(fault)) from None
        return verified.requester

    async def _verify(self, header: str) -> _Verified:
        digest = sha256(header.encode()).digest()
        verified = self._verified.get(digest)
        if verified is None:
            verified = await self._verify_anew(_read_bearer(header))
        elif verified.expires_at <= self._now():
            del self._verified[digest]
            raise TokenRefused("expired")
        try:
            verified = await self._ask_issuer(header, verified)
        except TokenRefused:
            self._verified.pop(digest, None)
            raise
        self._keep(digest, verified)
        return verified

    async def _verify_anew(self, text: str) -> _Verified:
        token = parse_token(text, ACCESS_TOKENS, _TYPES)
        name = token.claims.get("iss")
        source = self._issuers.get(name) if isinstance(name, str) else None
        if source is None or token.algorithm not in source.issuer.algorithms:
            raise TokenRefused("issuer or its algorithm")
        claims = await verify(token, ACCESS_TOKENS, source.keys.find)
        check_claims(claims, source.issuer.name, source.issuer.audience, self._now())
        requester = build_requester(source.issuer.read(claims), source.issuer.rules, self._base_url)
        if not requester.client:
            raise TokenRefused("no client_id")
        expires_at = int((claims["exp"] + LEEWAY_SECONDS) * 1000)
        return _Verified(requester, claims, source, expires_at, asked_at=self._now() - UNASKED)

    async def _ask_issuer(self, header: str, verified: _Verified) -> _Verified:
        now = self._now()
        if verified.source.is_active is None or now - verified.asked_at < UNASKED:
            return verified
        if not await verified.source.is_active(_read_bearer(header), verified.claims):
            raise TokenRefused("revoked")
        return replace(verified, asked_at=now)

    def _keep(self, digest: bytes, verified: _Verified) -> None:
        self._verified[digest] = verified
        self._verified.move_to_end(digest)
        if len(self._verified) > KEPT:
            self._verified.popitem(last=False)

    def _check_binding(self, verified: _Verified, headers: Mapping[bytes, str], peer: str) -> None:
        if "cnf" in verified.claims:
            certificate = self._proxies.read_certificate(headers, peer)
            if not is_bound_to(verified.claims["cnf"], certificate):
                raise TokenRefused("certificate")
        elif verified.source.issuer.requires_certificate:
            raise TokenRefused("not bound to a certificate")


def trust(issuer: Issuer, client: httpx.AsyncClient, now: Callable[[], Milliseconds]) -> TrustedIssuer:
    """Returns an issuer of the settings with where its keys are, and whom to ask; nothing is fetched yet."""
    fetch = from_url(client, issuer.jwks) if "://" in issuer.jwks else from_file(Path(issuer.jwks))
    is_active = by_introspection(client, issuer.introspection) if issuer.introspection else None
    return TrustedIssuer(issuer, KeySet(fetch, now), is_active)


def _read_bearer(header: str) -> str:
    """Returns the token of an Authorization header; raises FhirError where there is none, or not one."""
    if not header.lower().startswith("bearer"):
        raise refuse_missing()
    found = _BEARER.fullmatch(header.strip())
    if not found:
        raise refuse_invalid()
    return found[1]
