"""SignIn: how this server learns who asks, and where apps get tokens, out of the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from pymongo.asynchronous.database import AsyncDatabase

from fhir_dmp.authentication.authenticator import Authentication, Authenticator, OpenAuthenticator, trust
from fhir_dmp.authentication.certificate import TrustedProxies, parse_proxies
from fhir_dmp.authentication.issuers import Endpoints, check_key_files, parse_issuers
from fhir_dmp.instant import Milliseconds
from fhir_dmp.issuer.local import Surroundings, open_server, trust_local
from fhir_dmp.issuer.server import AuthorizationServer
from fhir_dmp.settings import Settings
from fhir_dmp.store.mongo.issuer import MongoGrantState

SECONDS = 5
"""How long an issuer may take to answer."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """`server` is the local issuer, where there is one; `endpoints` is what apps are told, where anything is known.

    `proxies` are those that may speak for a client.
    """

    authentication: Authentication
    server: AuthorizationServer | None = None
    endpoints: Endpoints | None = None
    proxies: TrustedProxies = field(default_factory=TrustedProxies)


@dataclass(frozen=True, slots=True)
class Mode:
    """Whether requests need tokens, and whether the local issuer (demo and tests) gives them."""

    needs_tokens: bool
    has_local_issuer: bool


def check_sign_in(settings: Settings) -> None:
    """Raises SettingUnusable where the settings of authentication cannot be used."""
    check_key_files(parse_issuers(settings.issuers))
    parse_proxies(settings.trusted_proxies, settings.client_certificate_header)


@asynccontextmanager
async def open_sign_in(
    settings: Settings,
    mode: Mode,
    database: AsyncDatabase[dict[str, Any]],
    now: Callable[[], Milliseconds],
    new_id: Callable[[], str],
) -> AsyncIterator[SignIn]:
    """Yields the sign-in of a server while it runs; raises SettingUnusable, and OSError of the data folder."""
    issuers = parse_issuers(settings.issuers)
    proxies = parse_proxies(settings.trusted_proxies, settings.client_certificate_header)
    async with httpx.AsyncClient(timeout=SECONDS) as http:
        around = Surroundings(http, now, new_id, proxies)
        server = await _open_local(settings, database, around) if mode.has_local_issuer else None
        trusted = [*([trust_local(server)] if server else []), *(trust(issuer, http, now) for issuer in issuers)]
        known = [source.issuer.endpoints for source in trusted if source.issuer.endpoints]
        authentication: Authentication = OpenAuthenticator()
        if mode.needs_tokens:
            authentication = Authenticator(trusted, proxies, settings.base_url, now)
        yield SignIn(authentication, server, next(iter(known), None), proxies)


async def _open_local(
    settings: Settings, database: AsyncDatabase[dict[str, Any]], around: Surroundings
) -> AuthorizationServer:
    state = MongoGrantState(database)
    await state.prepare()
    return open_server(settings.data_dir, settings.base_url, state, around)
