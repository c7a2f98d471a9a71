"""Introspection and revocation: who may ask, and that what is revoked is refused at the next look."""

from __future__ import annotations

import pytest

from fhir_dmp.outcome import FhirError
from tests.authentication.signing import claims, pair, sign
from tests.issuer.server import AUTH, BASE_URL, Local, as_client, assertion

BASIC = "Basic cmVzb3VyY2U6c2VjcmV0"


async def _introspect(local: Local, token: str) -> dict[str, object]:
    answer = await local.post("introspect", {"token": token}, authorization=BASIC)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return dict(answer.json())


async def test_resource_server_learns_what_a_token_is_for(local: Local) -> None:
    tokens = await local.redeem(await local.code())
    told = await _introspect(local, tokens["access_token"])
    assert told["active"] is True
    assert (told["iss"], told["aud"], told["client_id"], told["patient"]) == (AUTH, BASE_URL, "app", "42")
    assert told["scope"] == tokens["scope"]
    assert "sid" not in told


@pytest.mark.parametrize("token", ["x", sign(pair("stranger", "ES256"), claims(iss=AUTH, aud=BASE_URL))])
async def test_nothing_is_told_of_a_token_that_is_not_ours(local: Local, token: str) -> None:
    assert await _introspect(local, token) == {"active": False}


async def test_expired_token_is_not_active(local: Local) -> None:
    tokens = await local.redeem(await local.code())
    local.clock.pass_seconds(310)
    assert await _introspect(local, tokens["access_token"]) == {"active": False}


async def test_refresh_token_is_no_access_token(local: Local) -> None:
    tokens = await local.redeem(await local.code())
    assert await _introspect(local, tokens["refresh_token"]) == {"active": False}


@pytest.mark.parametrize("authorization", ["", "Basic cmVzb3VyY2U6d3Jvbmc=", "Basic !", "Bearer x", "Basic YXBwOg=="])
async def test_stranger_may_not_ask(local: Local, authorization: str) -> None:
    headers = {"authorization": authorization} if authorization else {}
    for form in ({"token": "x"}, {"token": "x", "client_id": "app"}):
        answer = await local.post("introspect", form, **headers)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_client_may_ask_with_an_assertion(local: Local) -> None:
    answer = await local.post("introspect", as_client(assertion(local.clock), token="x"))
    assert answer.json() == {"active": False}


async def test_client_proves_in_one_way_who_it_is(local: Local) -> None:
    for form in (as_client(assertion(local.clock), token="x"), {"token": "x", "client_secret": "secret"}):
        answer = await local.post("introspect", form, authorization=BASIC)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    both = as_client(assertion(local.clock), token="x", client_secret="secret")
    assert (await local.post("introspect", both)).json()["error"] == "invalid_request"


async def test_client_does_not_prove_that_it_is_one_and_say_that_it_is_another(local: Local) -> None:
    answer = await local.post("introspect", {"token": "x", "client_id": "app"}, authorization=BASIC)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    named = await local.post("introspect", {"token": "x", "client_id": "resource"}, authorization=BASIC)
    assert named.json() == {"active": False}


async def test_client_with_a_secret_gets_no_token(local: Local) -> None:
    answer = await local.post("token", {"grant_type": "refresh_token", "refresh_token": "x"}, authorization=BASIC)
    assert answer.json()["error"] == "unauthorized_client"


async def test_revoked_access_token_is_refused(local: Local) -> None:
    tokens = await local.redeem(await local.code())
    token = tokens["access_token"]
    await local.accept(token)
    answer = await local.post("revoke", {"token": token, "client_id": "app"})
    assert answer.status_code == 200
    assert await _introspect(local, token) == {"active": False}
    local.clock.pass_seconds(15)
    with pytest.raises(FhirError):
        await local.accept(token)


async def test_revoked_refresh_token_ends_the_session(local: Local) -> None:
    tokens = await local.redeem(await local.code())
    await local.post("revoke", {"token": tokens["refresh_token"], "client_id": "app", "token_type_hint": "x"})
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": "app"}
    assert await local.error(**form) == "invalid_grant"
    assert await _introspect(local, tokens["access_token"]) == {"active": False}


@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
async def test_client_revokes_its_own_tokens_only_and_learns_nothing(local: Local, name: str) -> None:
    tokens = await local.redeem(await local.code())
    answer = await local.post("revoke", {"token": tokens[name], "client_id": "other"})
    assert answer.status_code == 200
    assert (await _introspect(local, tokens["access_token"]))["active"] is True


@pytest.mark.parametrize("path", ["introspect", "revoke"])
@pytest.mark.parametrize("form", [{}, {"token": ""}, {"token_type_hint": "access_token"}], ids=str)
async def test_token_has_to_be_sent(local: Local, path: str, form: dict[str, str]) -> None:
    answer = await local.post(path, form, authorization=BASIC)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_unknown_token_is_revoked_without_a_word(local: Local) -> None:
    answer = await local.post("revoke", {"token": "x", "client_id": "app"})
    assert (answer.status_code, answer.json()) == (200, {})


async def test_nobody_revokes_without_saying_who_he_is(local: Local) -> None:
    answer = await local.post("revoke", {"token": "x"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
