"""The local issuer in this process, on a real mongod, and an app that talks to it over HTTP."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from fastapi import FastAPI
from pymongo import AsyncMongoClient

from fhir_dmp.access.requester import Requester
from fhir_dmp.authentication.authenticator import Authenticator
from fhir_dmp.authentication.certificate import TrustedProxies, parse_proxies
from fhir_dmp.authentication.statement import Statement
from fhir_dmp.issuer.clients import Client
from fhir_dmp.issuer.identities import Identity
from fhir_dmp.issuer.keys import make_keys
from fhir_dmp.issuer.local import trust_local
from fhir_dmp.issuer.routes import build_router
from fhir_dmp.issuer.server import AuthorizationServer, issuer_url
from fhir_dmp.store.mongo.issuer import MongoGrantState
from tests.authentication.signing import Clock, pair, sign

Json = Any
BASE_URL = "http://127.0.0.1:8080/fhir"
AUTH = "http://127.0.0.1:8080/auth"
REDIRECT = "http://127.0.0.1:5000/callback"
VERIFIER = "v" * 20 + "-._~" + "V" * 20
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
HOSPITAL_KEY, HOSPITAL_RSA = pair("hospital", "ES384"), pair("hospital-rsa", "RS384")
KEYS = make_keys()
PROXIES = parse_proxies("127.0.0.0/8", "X-Forwarded-Client-Cert")

CLIENTS = {
    client.id: client
    for client in (
        Client("app", "Mon application", ("http://127.0.0.1/callback", "https://app.example/cb?x=1")),
        Client("other", "Une autre", ("http://127.0.0.1/callback",)),
        Client(
            "hospital",
            contexts=("system", "user"),
            organization="990000028",
            jwks={"keys": [HOSPITAL_KEY.public(), HOSPITAL_RSA.public()]},
            subject_token_clients=("psc-app",),
        ),
        Client("console", contexts=("system",), kind="administrator", jwks={"keys": [pair("c", "ES384").public()]}),
        Client("software", contexts=("user",), certificate_subject="CN=software", subject_token_clients=("psc-app",)),
        Client("resource", secret_sha256=hashlib.sha256(b"secret").hexdigest()),
    )
}
DOCTOR = Statement(
    "rpps:99900000011",
    display="Dr Hélène Carpentier",
    rpps="99900000011",
    professions=("10",),
    specialties=("SM54",),
    organization="990000100",
)
IDENTITIES = [Identity("doctor", "Dr Hélène Carpentier <Médecin>", DOCTOR)]


@dataclass(frozen=True, slots=True)
class Local:
    """The issuer, its clock, an app's connection to it, and the server that accepts its tokens."""

    server: AuthorizationServer
    clock: Clock
    http: httpx.AsyncClient
    authenticator: Authenticator

    async def accept(self, token: str, **headers: str) -> Requester:
        sent = {name.replace("_", "-").encode(): value for name, value in headers.items()}
        return await self.authenticator.authenticate({b"authorization": f"Bearer {token}", **sent}, "127.0.0.1")

    async def post(self, path: str, form: Mapping[str, str], **headers: str) -> httpx.Response:
        return await self.http.post(path, data=dict(form), headers={k.replace("_", "-"): v for k, v in headers.items()})

    async def tokens(self, **form: str) -> Json:
        """Tokens that have to be given."""
        answer = await self.post("token", form)
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["pragma"] == "no-cache"
        return answer.json()

    async def error(self, **form: str) -> str:
        """The error of tokens that have to be refused."""
        answer = await self.post("token", form)
        assert answer.status_code in {400, 401, 503}, answer.text
        assert answer.headers["cache-control"] == "no-store"
        return str(answer.json()["error"])

    async def page(self, **changed: str) -> httpx.Response:
        """The page that an app sends its user to; what is changed to an empty text is left out."""
        query = {
            "response_type": "code",
            "client_id": "app",
            "redirect_uri": REDIRECT,
            "scope": "launch/patient patient/*.rs user/Patient.read offline_access",
            "state": "s t&ate",
            "aud": BASE_URL,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changed,
        }
        return await self.http.get("authorize", params={name: value for name, value in query.items() if value})

    async def decide(self, page: httpx.Response, **decided: str) -> dict[str, str]:
        """What the app is told at its address when the user has decided."""
        assert page.status_code == 200, page.text
        found = re.search(r'name="request" value="([^"]+)"', page.text)
        assert found
        form = {"request": unescape(found[1]), "decision": "allow", "identity": "patient", "patient": "42", **decided}
        return told_at_redirect(await self.post("authorize", form))

    async def code(self, **decided: str) -> str:
        return (await self.decide(await self.page(), **decided))["code"]

    async def redeem(self, code: str, **changed: str) -> Json:
        return await self.tokens(**code_form(code, **changed))


def code_form(code: str, /, **changed: str) -> dict[str, str]:
    usual = {"client_id": "app", "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
    form = {"grant_type": "authorization_code", "code": code, **usual, **changed}
    return {name: value for name, value in form.items() if value}


def told_at_redirect(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 303, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


_numbers = itertools.count()


def assertion(clock: Clock, client: str = "hospital", key: Any = HOSPITAL_KEY, **changed: Json) -> str:
    """An assertion of a client; what is changed to None is left out, `typ` is of the header."""
    now = clock.at // 1000
    typ = changed.pop("typ", "JWT")
    jti = f"a{next(_numbers)}"
    body = {"iss": client, "sub": client, "aud": f"{AUTH}/token", "exp": now + 300, "jti": jti, **changed}
    return sign(key, {name: value for name, value in body.items() if value is not None}, typ=typ)


def as_client(signed: str, **form: str) -> dict[str, str]:
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed, **form}


@asynccontextmanager
async def run_issuer(uri: str, database: str, clock: Clock, **changed: Any) -> AsyncIterator[Local]:
    """Runs the issuer; `changed` are members of its AuthorizationServer."""
    async with AsyncMongoClient[dict[str, Any]](uri) as mongo, httpx.AsyncClient(timeout=5) as outside:
        state = MongoGrantState(mongo[database])
        await state.prepare()
        ids = (f"id-{number}" for number in itertools.count())
        server = AuthorizationServer(
            issuer_url(BASE_URL), BASE_URL, KEYS, CLIENTS, state, outside, clock, lambda: next(ids), PROXIES
        )
        server = replace(server, **changed)
        app = FastAPI()
        app.include_router(build_router(lambda: server, IDENTITIES))
        authenticator = Authenticator([trust_local(server)], _proxies(server), BASE_URL, clock)
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url=AUTH) as http:
            yield Local(server, clock, http, authenticator)


def _proxies(server: AuthorizationServer) -> TrustedProxies:
    return server.proxies
