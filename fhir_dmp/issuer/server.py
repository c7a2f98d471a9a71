"""AuthorizationServer: what every endpoint of the local issuer works with, and how it issues a token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from secrets import token_urlsafe

import httpx

from fhir_dmp.authentication.certificate import TrustedProxies
from fhir_dmp.authentication.issuers import Endpoints
from fhir_dmp.authentication.key_set import KeySet, from_keys, from_url
from fhir_dmp.instant import Milliseconds
from fhir_dmp.issuer.clients import Client
from fhir_dmp.issuer.grant import Grant
from fhir_dmp.issuer.keys import SigningKeys
from fhir_dmp.issuer.pro_sante_connect import ProSanteConnect
from fhir_dmp.issuer.scope import OFFLINE
from fhir_dmp.issuer.state import GrantState, Item
from fhir_dmp.json_text import JsonObject

ACCESS_SECONDS = 300
REFRESH_MILLISECONDS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class AuthorizationServer:
    """The local issuer: `url` is its name and where its endpoints are, `audience` the base URL its tokens are for."""

    url: str
    audience: str
    keys: SigningKeys
    clients: Mapping[str, Client]
    state: GrantState
    http: httpx.AsyncClient
    now: Callable[[], Milliseconds]
    new_id: Callable[[], str]
    proxies: TrustedProxies = field(default_factory=TrustedProxies)
    pro_sante_connect: ProSanteConnect | None = None
    client_keys: dict[str, KeySet] = field(default_factory=dict)

    @property
    def endpoints(self) -> Endpoints:
        """Where apps find what they need."""
        names = ("token", "authorize", "introspect", "revoke")
        return Endpoints(*(f"{self.url}/{name}" for name in names))

    def keys_of(self, client: Client) -> KeySet:
        """Returns the keys that a client signs its assertions with."""
        if client.id not in self.client_keys:
            fetch = from_url(self.http, client.jwks_uri) if client.jwks_uri else from_keys(client.jwks or {"keys": []})
            self.client_keys[client.id] = KeySet(fetch, self.now)
        return self.client_keys[client.id]

    async def answer(self, grant: Grant, seconds: int = ACCESS_SECONDS) -> JsonObject:
        """Issues the tokens of a grant; one to refresh them with where that was granted."""
        if not grant.session:
            grant = replace(grant, session=self.new_id())
        claims = grant.build_claims(self.url, self.audience, self.new_id(), self.now(), seconds)
        answer: JsonObject = {
            "access_token": self.keys.sign(claims),
            "token_type": "Bearer",
            "expires_in": seconds,
            "scope": " ".join(grant.scopes),
        }
        if OFFLINE in grant.scopes:
            answer["refresh_token"] = await self._remember(grant)
        if grant.patient:
            answer["patient"] = grant.patient
        return answer

    async def _remember(self, grant: Grant) -> str:
        token = token_urlsafe(32)
        now = self.now()
        await self.state.put(Item.REFRESH, token, grant.as_json(), now + REFRESH_MILLISECONDS, now)
        return token

    async def revoke(self, name: str, until: Milliseconds = 0) -> None:
        """Revokes a token by its `jti`, or all tokens of a session; `until` is when the last of them expires."""
        now = self.now()
        await self.state.put(Item.REVOKED, name, {}, max(until, now + REFRESH_MILLISECONDS), now)

    async def is_active(self, token: str, claims: JsonObject) -> bool:  # noqa: ARG002  as authentication asks
        """Tells whether neither the token of these claims nor its session was revoked."""
        names = [name for name in (claims.get("jti"), claims.get("sid")) if isinstance(name, str)]
        found = [await self.state.find(Item.REVOKED, name, self.now()) for name in names]
        return not any(item is not None for item in found)


def issuer_url(base_url: str) -> str:
    """Returns the name of the local issuer of a server, which is where its endpoints are: /auth beside the base."""
    return f"{base_url.removesuffix('/fhir')}/auth"
