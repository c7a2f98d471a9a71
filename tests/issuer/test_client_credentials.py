"""private_key_jwt: which assertions are accepted, each once, and what the client is then."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from fhir_dmp.access.requester import Kind
from fhir_dmp.issuer.clients import Client
from tests.authentication.signing import Clock, pair, sign_with_secret, unsigned
from tests.authentication.stand_in import run_stand_in, tell
from tests.issuer.server import (
    AUTH,
    CLIENTS,
    HOSPITAL_KEY,
    HOSPITAL_RSA,
    Local,
    as_client,
    assertion,
    run_issuer,
)

FORM = {"grant_type": "client_credentials", "scope": "system/*.cruds"}


@pytest.mark.parametrize("key", [HOSPITAL_KEY, HOSPITAL_RSA], ids=lambda key: key.alg)
@pytest.mark.parametrize("audience", [f"{AUTH}/token", AUTH, [f"{AUTH}/token"]])
async def test_hospital_proves_who_it_is_and_gets_a_token(local: Local, key: Any, audience: Any) -> None:
    tokens = await local.tokens(**as_client(assertion(local.clock, key=key, aud=audience), **FORM))
    requester = await local.accept(tokens["access_token"])
    assert (requester.kind, requester.client, requester.organization) == (Kind.HOSPITAL, "hospital", "990000028")
    assert requester.scopes == ("system/*.cruds",)
    assert "refresh_token" not in tokens


async def test_administrator_is_one_because_it_is_registered_so(local: Local) -> None:
    signed = assertion(local.clock, "console", pair("c", "ES384"))
    tokens = await local.tokens(**as_client(signed, **FORM))
    assert (await local.accept(tokens["access_token"])).kind is Kind.ADMINISTRATOR


def _now(clock: Clock) -> int:
    return clock.at // 1000


BAD: dict[str, Callable[[Clock], str]] = {
    "another audience": lambda clock: assertion(clock, aud="https://evil.example/token"),
    "audience of the FHIR server": lambda clock: assertion(clock, aud="http://127.0.0.1:8080/fhir"),
    "expired": lambda clock: assertion(clock, exp=_now(clock) - 11),
    "too long": lambda clock: assertion(clock, exp=_now(clock) + 400),
    "no exp": lambda clock: assertion(clock, exp=None),
    "no jti": lambda clock: assertion(clock, jti=None),
    "another sub": lambda clock: assertion(clock, sub="console"),
    "no sub": lambda clock: assertion(clock, sub=None),
    "unknown client": lambda clock: assertion(clock, "unknown"),
    "public client": lambda clock: assertion(clock, "app"),
    "key of another client": lambda clock: assertion(clock, "console"),
    "another key under the same kid": lambda clock: assertion(
        clock, key=HOSPITAL_KEY.__class__("hospital", "ES384", pair("stranger", "ES384").key)
    ),
    "ES256": lambda clock: assertion(clock, key=pair("hospital", "ES256")),
    "RS256": lambda clock: assertion(clock, key=pair("hospital-rsa", "RS256")),
    "not yet good": lambda clock: assertion(clock, nbf=_now(clock) + 60),
    "access token as assertion": lambda clock: assertion(clock, typ="at+jwt"),
    "none": lambda _: unsigned({"iss": "hospital", "sub": "hospital"}),
    "shared secret": lambda clock: sign_with_secret(
        json.dumps(HOSPITAL_KEY.public()).encode(),
        {"iss": "hospital", "sub": "hospital", "aud": f"{AUTH}/token", "exp": _now(clock) + 60, "jti": "x"},
        kid="hospital",
        typ="JWT",
    ),
    "no token": lambda _: "x",
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD.keys())
async def test_assertion_that_proves_nothing_is_refused(local: Local, make: Callable[[Clock], str]) -> None:
    answer = await local.post("token", as_client(make(local.clock), **FORM))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert "www-authenticate" in answer.headers


async def test_assertion_is_good_once(local: Local) -> None:
    form = as_client(assertion(local.clock), **FORM)
    await local.tokens(**form)
    assert await local.error(**form) == "invalid_client"
    local.clock.pass_seconds(305)
    assert await local.error(**form) == "invalid_client"


async def test_of_an_assertion_that_is_sent_many_times_at_once_one_counts(local: Local) -> None:
    form = as_client(assertion(local.clock), **FORM)
    answers = await asyncio.gather(*(local.post("token", form) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 9


async def test_two_clients_may_use_the_same_jti(local: Local) -> None:
    await local.tokens(**as_client(assertion(local.clock, jti="1"), **FORM))
    await local.tokens(**as_client(assertion(local.clock, "console", pair("c", "ES384"), jti="1"), **FORM))


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"scope": "user/*.rs patient/*.rs"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
        ({"client_assertion_type": "urn:other"}, "invalid_client"),
        ({"client_id": "console"}, "invalid_client"),
    ],
)
async def test_request_that_does_not_fit_the_client_is_refused(
    local: Local, changed: dict[str, str], error: str
) -> None:
    form = {**as_client(assertion(local.clock), **FORM), **changed}
    assert await local.error(**form) == error


async def test_public_client_gets_nothing_for_itself(local: Local) -> None:
    assert await local.error(client_id="app", **FORM) == "invalid_client"


async def test_keys_at_the_address_of_a_client_are_fetched(mongodb_uri: str, database_name: str, clock: Clock) -> None:
    with run_stand_in() as stand_in:
        stand_in.answers["/jwks"] = lambda _: tell({"keys": [HOSPITAL_KEY.public()]})
        client = Client("hospital", contexts=("system",), jwks_uri=f"{stand_in.url}/jwks")
        async with run_issuer(mongodb_uri, database_name, clock, clients={**CLIENTS, "hospital": client}) as local:
            for _ in range(3):
                await local.tokens(**as_client(assertion(clock), **FORM))
            assert stand_in.count("/jwks") == 1


async def test_client_whose_keys_cannot_be_had_has_proved_nothing(
    mongodb_uri: str, database_name: str, clock: Clock
) -> None:
    client = Client("hospital", contexts=("system",), jwks_uri="http://127.0.0.1:1/jwks")
    async with run_issuer(mongodb_uri, database_name, clock, clients={"hospital": client}) as local:
        assert await local.error(**as_client(assertion(clock), **FORM)) == "invalid_client"
