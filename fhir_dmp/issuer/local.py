"""Puts the local issuer together: keys, clients and Pro Santé Connect from the data folder, state from the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
from jsonschema import Draft202012Validator

from fhir_dmp.access.requester import Kind
from fhir_dmp.authentication.authenticator import TrustedIssuer
from fhir_dmp.authentication.certificate import TrustedProxies
from fhir_dmp.authentication.fault import SettingUnusable
from fhir_dmp.authentication.issuers import IntrospectionEndpoint, Issuer
from fhir_dmp.authentication.judgement import Rules
from fhir_dmp.authentication.key_set import KeySet, from_keys, from_url
from fhir_dmp.authentication.setting import read_setting
from fhir_dmp.instant import Milliseconds
from fhir_dmp.issuer.clients import load_clients
from fhir_dmp.issuer.keys import load_keys
from fhir_dmp.issuer.pro_sante_connect import ProSanteConnect
from fhir_dmp.issuer.server import AuthorizationServer, issuer_url
from fhir_dmp.issuer.state import GrantState
from fhir_dmp.json_text import JsonObject
from fhir_dmp.url import is_safe

PRO_SANTE_CONNECT = Path("issuer") / "pro-sante-connect.json"
_MEMBERS = ("issuer", "jwks_uri", "introspection_endpoint", "userinfo_endpoint", "client_id", "client_secret")
_ADDRESSES = ("jwks_uri", "introspection_endpoint", "userinfo_endpoint")
_SCHEMA = {"type": "object", "required": list(_MEMBERS), "additionalProperties": {"type": "string"}}
_KINDS = frozenset(set(Kind) - {Kind.SYSTEM, Kind.EXCLUDED})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the local issuer uses of the server that it is part of."""

    http: httpx.AsyncClient
    now: Callable[[], Milliseconds]
    new_id: Callable[[], str]
    proxies: TrustedProxies


def open_server(data_dir: Path, base_url: str, state: GrantState, around: Surroundings) -> AuthorizationServer:
    """Returns the authorisation server of a data folder; raises SettingUnusable and OSError."""
    return AuthorizationServer(
        url=issuer_url(base_url),
        audience=base_url,
        keys=load_keys(data_dir),
        clients=load_clients(data_dir),
        state=state,
        http=around.http,
        now=around.now,
        new_id=around.new_id,
        proxies=around.proxies,
        pro_sante_connect=load_pro_sante_connect(data_dir, around),
    )


def read_pro_sante_connect(data_dir: Path) -> JsonObject | None:
    """Returns what the data folder says of Pro Santé Connect, if anything; raises SettingUnusable."""
    file = data_dir / PRO_SANTE_CONNECT
    if not file.exists():
        return None
    try:
        data = file.read_bytes()
    except OSError as fault:
        raise SettingUnusable(f"{file}: {fault}") from None
    given = read_setting(data, str(file))
    if not Draft202012Validator(_SCHEMA).is_valid(given):
        raise SettingUnusable(f"{file} needs {', '.join(_MEMBERS)}, all text")
    for name in _ADDRESSES:
        if not is_safe(given[name]):
            raise SettingUnusable(f"{file}: {name} is no https address")
    return dict(given)


def load_pro_sante_connect(data_dir: Path, around: Surroundings) -> ProSanteConnect | None:
    """Returns where Pro Santé Connect is, if the data folder says so; raises SettingUnusable."""
    given = read_pro_sante_connect(data_dir)
    if given is None:
        return None
    return ProSanteConnect(
        given["issuer"],
        IntrospectionEndpoint(given["introspection_endpoint"], given["client_id"], given["client_secret"]),
        given["userinfo_endpoint"],
        KeySet(from_url(around.http, given["jwks_uri"]), around.now),
        around.http,
    )


def trust_local(server: AuthorizationServer) -> TrustedIssuer:
    """Returns the local issuer as one whose tokens are accepted; it may speak for administrators and auditors too."""
    issuer = Issuer(
        name=server.url,
        jwks="",
        audience=(server.audience,),
        rules=Rules(_KINDS),
        algorithms=frozenset({"ES256", "ES384"}),
        endpoints=server.endpoints,
    )
    return TrustedIssuer(issuer, KeySet(from_keys(server.keys.public), server.now), server.is_active)
