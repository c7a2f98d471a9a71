"""Which tokens are accepted, on a stand-in issuer over HTTP, and what a caller learns of those that are not."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fhir_dmp.access.requester import OPEN, Kind, Requester
from fhir_dmp.authentication import key_set
from fhir_dmp.authentication.authenticator import KEPT, Authenticator, OpenAuthenticator, trust
from fhir_dmp.authentication.certificate import parse_proxies
from fhir_dmp.authentication.fault import build_challenge
from fhir_dmp.authentication.issuers import parse_issuers
from fhir_dmp.authentication.judgement import USUAL_KINDS
from fhir_dmp.outcome import Category, FhirError
from tests.authentication.signing import (
    BASE_URL,
    ISSUER,
    NOW,
    Clock,
    claims,
    encode,
    pair,
    sign,
    sign_anyhow,
    sign_with_secret,
    unsigned,
)
from tests.authentication.stand_in import Asked, StandIn, Told, tell

RSA, EC256, EC384 = pair("rsa", "RS256"), pair("ec256", "ES256"), pair("ec384", "ES384")
STRANGER = pair("rsa", "RS256").__class__("rsa", "RS256", pair("other", "RS256").key)
SECONDS = NOW // 1000
KEYS = {"keys": [RSA.public(), EC256.public(), EC384.public()]}


@dataclass(slots=True)
class Setting:
    """A server that trusts one issuer."""

    authenticator: Authenticator
    clock: Clock
    issuer: StandIn

    async def accept(self, token: str, peer: str = "192.0.2.1", **headers: str) -> Requester:
        sent = {name.replace("_", "-").encode(): value for name, value in headers.items()}
        return await self.authenticator.authenticate({b"authorization": f"Bearer {token}", **sent}, peer)

    async def refuse(self, token: str, **headers: str) -> FhirError:
        with pytest.raises(FhirError) as refused:
            await self.accept(token, **headers)
        return refused.value


Make = Callable[..., Setting]


@pytest.fixture
def make(clock: Clock, stand_in: StandIn, http: httpx.AsyncClient) -> Make:
    """Makes a server; `changed` is of the issuer's setting."""

    def build(**changed: Any) -> Setting:
        stand_in.answers["/jwks"] = lambda _: tell(KEYS, cache_control="max-age=60")
        setting = {ISSUER: {"jwks": f"{stand_in.url}/jwks", "audience": BASE_URL, **changed}}
        issuers = [trust(issuer, http, clock) for issuer in parse_issuers(json.dumps(setting))]
        proxies = parse_proxies("10.0.0.0/8", "X-SSL-Client-Cert")
        return Setting(Authenticator(issuers, proxies, BASE_URL, clock), clock, stand_in)

    return build


@pytest.fixture
def server(make: Make) -> Setting:
    """A server with the usual setting."""
    return make()


@pytest.mark.parametrize("key", [RSA, EC256, EC384], ids=lambda key: key.alg)
async def test_each_pinned_algorithm_is_accepted(server: Setting, key: Any) -> None:
    assert (await server.accept(sign(key, claims()))).kind is Kind.PRACTITIONER


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "application/at+jwt"])
async def test_typ_of_access_tokens_is_accepted(server: Setting, typ: str) -> None:
    assert (await server.accept(sign(RSA, claims(), typ=typ))).name == "rpps:99900000011"


async def test_requester_is_what_the_claims_say(server: Setting) -> None:
    assert await server.accept(sign(RSA, claims())) == Requester(
        Kind.PRACTITIONER,
        "rpps:99900000011",
        client="app",
        display="Dr Hélène Carpentier",
        rpps="99900000011",
        profession="10",
        specialty="SM54",
        organization="990000100",
        purposes=frozenset({"TREAT"}),
        scopes=("user/*.rs", "launch/patient"),
        token_id="token-1",
        issued_at=claims()["iat"] * 1000,
    )


def _public_pem() -> bytes:
    return RSA.key.as_pem(private=False)


def _tamper(token: str, part: int, at: int) -> str:
    parts = token.split(".")
    text = parts[part]
    parts[part] = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
    return ".".join(parts)


def _nest(value: dict[str, Any]) -> bytes:
    """JSON that one reader takes and another does not, for it is deep."""
    return json.dumps(value).encode()[:-1] + b',"deep":' + b"[" * 1000 + b"]" * 1000 + b"}"


def _with_deep_header() -> str:
    header = base64.urlsafe_b64encode(_nest({"alg": "RS256", "kid": "rsa", "typ": "JWT"})).rstrip(b"=").decode()
    return f"{header}.{encode(claims())}.AAAA"


BAD: dict[str, Callable[[], str]] = {
    "a header that nests deep": _with_deep_header,
    "claims that nest deep": lambda: sign(RSA, _nest(claims())),
    "alg none": lambda: unsigned(claims()),
    "alg None": lambda: unsigned(claims(), alg="None"),
    "alg none with a signature": lambda: unsigned(claims()) + "AAAA",
    "alg null": lambda: unsigned(claims(), alg=None) + "AAAA",
    "alg is a list": lambda: unsigned(claims(), alg=["RS256"]) + "AAAA",
    "HS256 with the public key as PEM": lambda: sign_with_secret(_public_pem(), claims(), kid="rsa"),
    "HS256 with the public key as JWK": lambda: sign_with_secret(
        json.dumps(RSA.public()).encode(), claims(), kid="rsa"
    ),
    "RS512": lambda: sign(pair("rsa512", "RS512"), claims(), kid="rsa"),
    "RS384": lambda: sign(pair("rsa384", "RS384"), claims(), kid="rsa"),
    "PS256": lambda: sign(pair("rsaps", "PS256"), claims(), kid="rsa"),
    "signed by a stranger": lambda: sign(STRANGER, claims()),
    "unknown kid": lambda: sign(RSA, claims(), kid="unknown"),
    "no kid": lambda: sign(RSA, claims(), kid=None),
    "kid is a number": lambda: ".".join([encode({"alg": "RS256", "kid": 1, "typ": "JWT"}), encode(claims()), "AAAA"]),
    "kid of a key of another kty": lambda: sign(RSA, claims(), kid="ec256"),
    "kid of a key of another curve": lambda: sign(EC256, claims(), kid="ec384"),
    "key in the header": lambda: sign(STRANGER, claims(), kid="mine", jwk=STRANGER.public()),
    "key address in the header": lambda: sign(STRANGER, claims(), kid="mine", jku="https://evil.example/jwks"),
    "crit that is not understood": lambda: sign_anyhow(RSA, claims(), crit=["exp"], exp=1),
    "crit that is no list": lambda: sign_anyhow(RSA, claims(), crit=1),
    "unencoded payload": lambda: sign_anyhow(RSA, claims(), crit=["b64"], b64=False),
    "no typ": lambda: sign(RSA, claims(), typ=None),
    "typ of a logout token": lambda: sign(RSA, claims(), typ="logout+jwt"),
    "typ of a client assertion": lambda: sign(RSA, claims(), typ="client-authentication+jwt"),
    "expired": lambda: sign(RSA, claims(exp=SECONDS - 11)),
    "expires as text": lambda: sign(RSA, claims(exp=str(SECONDS + 300))),
    "expires never": lambda: sign(RSA, json.dumps(claims()).replace(str(SECONDS + 300), "1e999").encode()),
    "expires after all time": lambda: sign(RSA, claims(exp=1e308)),
    "issued before all time": lambda: sign(RSA, claims(iat=-1e308)),
    "expires at NaN": lambda: sign(RSA, json.dumps(claims()).replace(str(SECONDS + 300), "NaN").encode()),
    "expires true": lambda: sign(RSA, claims(exp=True)),
    "not yet good": lambda: sign(RSA, claims(nbf=SECONDS + 11)),
    "issued in the future": lambda: sign(RSA, claims(iat=SECONDS + 11)),
    "another audience": lambda: sign(RSA, claims(aud="https://other.example/fhir")),
    "audience as a prefix": lambda: sign(RSA, claims(aud=BASE_URL + "/evil")),
    "audience is empty": lambda: sign(RSA, claims(aud=[])),
    "audience is an object": lambda: sign(RSA, claims(aud={BASE_URL: True})),
    "another issuer": lambda: sign(RSA, claims(iss="https://other.example")),
    "issuer with a slash": lambda: sign(RSA, claims(iss=ISSUER + "/")),
    "issuer is a list": lambda: sign(RSA, claims(iss=[ISSUER])),
    "no iss": lambda: sign(RSA, claims(iss=None)),
    "no sub": lambda: sign(RSA, claims(sub=None)),
    "no aud": lambda: sign(RSA, claims(aud=None)),
    "no exp": lambda: sign(RSA, claims(exp=None)),
    "no iat": lambda: sign(RSA, claims(iat=None)),
    "no jti": lambda: sign(RSA, claims(jti=None)),
    "no client_id": lambda: sign(RSA, claims(client_id=None)),
    "empty sub": lambda: sign(RSA, claims(sub="")),
    "signature tampered": lambda: _tamper(sign(RSA, claims()), 2, 10),
    "payload tampered": lambda: _tamper(sign(RSA, claims()), 1, 40),
    "header tampered": lambda: _tamper(sign(RSA, claims()), 0, 20),
    "signature left out": lambda: sign(RSA, claims()).rpartition(".")[0] + ".",
    "two parts": lambda: sign(RSA, claims()).rpartition(".")[0],
    "four parts": lambda: sign(RSA, claims()) + ".AAAA",
    "five parts (JWE)": lambda: sign(RSA, claims()) + ".AAAA.AAAA",
    "payload is a list": lambda: sign(RSA, b"[]"),
    "payload is no JSON": lambda: sign(RSA, b"{"),
    "payload is no UTF-8": lambda: sign(RSA, b'{"iss":"\xff"}'),
    "huge": lambda: sign(RSA, claims(pad="x" * 8192)),
    "huge header": lambda: sign(RSA, claims(), pad="x" * 8192),
    "no token at all": lambda: "x",
}


@pytest.mark.parametrize("token", BAD.values(), ids=BAD.keys())
async def test_bad_token_is_refused_and_never_told_why(server: Setting, token: Callable[[], str]) -> None:
    refused = await server.refuse(token())
    assert refused.category is Category.UNAUTHENTICATED
    assert [(issue.code, issue.message) for issue in refused.issues] == [
        ("token-invalid", "The bearer token is not valid here, or no longer.")
    ]
    assert build_challenge(refused) == [(b"www-authenticate", b'Bearer realm="fhir-dmp", error="invalid_token"')]


@pytest.mark.parametrize("header", ["", "Basic YTpi", "Token x"])
async def test_request_without_bearer_token_is_told_that_it_needs_one(server: Setting, header: str) -> None:
    with pytest.raises(FhirError) as refused:
        await server.authenticator.authenticate({b"authorization": header} if header else {}, "")
    assert refused.value.issues[0].code == "token-missing"
    assert build_challenge(refused.value) == [(b"www-authenticate", b'Bearer realm="fhir-dmp"')]


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer a b", "Bearer a, Bearer b", "Bearer é", "Bearer=a"])
async def test_malformed_bearer_header_is_refused(server: Setting, header: str) -> None:
    with pytest.raises(FhirError) as refused:
        await server.authenticator.authenticate({b"authorization": header}, "")
    assert refused.value.issues[0].code == "token-invalid"


async def test_other_errors_have_no_challenge(server: Setting) -> None:
    refused = await server.refuse(sign(RSA, claims(fhirUser=None, extensions={})))
    assert refused.category is Category.FORBIDDEN
    assert build_challenge(refused) == []


async def test_token_is_good_until_it_expires_and_ten_seconds_more(server: Setting) -> None:
    token = sign(RSA, claims())
    await server.accept(token)
    server.clock.pass_seconds(309)
    await server.accept(token)
    server.clock.pass_seconds(1)
    assert (await server.refuse(token)).issues[0].code == "token-invalid"
    assert (await server.refuse(token)).issues[0].code == "token-invalid"


async def test_issuer_may_be_held_to_fewer_algorithms(make: Make) -> None:
    server = make(algorithms=["ES384"])
    assert (await server.refuse(sign(RSA, claims()))).issues[0].code == "token-invalid"
    assert (await server.accept(sign(EC384, claims()))).kind is Kind.PRACTITIONER


async def test_one_of_several_audiences_is_enough(make: Make) -> None:
    server = make(audience=["urn:dmp", BASE_URL])
    assert await server.accept(sign(RSA, claims(aud=["https://other.example", "urn:dmp"])))


async def test_key_of_one_issuer_signs_nothing_of_another(
    clock: Clock, stand_in: StandIn, http: httpx.AsyncClient
) -> None:
    stand_in.answers["/a"] = lambda _: tell({"keys": [RSA.public()]})
    stand_in.answers["/b"] = lambda _: tell({"keys": [EC256.public()]})
    setting = {f"https://{name}.example": {"jwks": f"{stand_in.url}/{name}", "audience": BASE_URL} for name in "ab"}
    issuers = [trust(issuer, http, clock) for issuer in parse_issuers(json.dumps(setting))]
    server = Setting(Authenticator(issuers, parse_proxies("", "Client-Cert"), BASE_URL, clock), clock, stand_in)
    assert await server.accept(sign(RSA, claims(iss="https://a.example")))
    assert await server.refuse(sign(RSA, claims(iss="https://b.example")))


async def test_keys_are_fetched_once_for_many_tokens(server: Setting) -> None:
    tokens = [sign(EC256, claims(jti=str(number))) for number in range(20)]
    await asyncio.gather(*(server.accept(token) for token in tokens))
    assert server.issuer.count("/jwks") == 1


async def test_issuer_that_cannot_be_reached_is_no_reason_to_call_a_token_bad(make: Make) -> None:
    server = make()
    server.issuer.answers["/jwks"] = lambda _: tell({}, 500)
    refused = await server.refuse(sign(RSA, claims()))
    assert refused.category is Category.UNAVAILABLE
    assert refused.issues[0].code == "issuer-unreachable"


async def test_verified_tokens_that_are_kept_are_bounded(server: Setting) -> None:
    kept = server.authenticator._verified  # noqa: SLF001  what is kept is not shown
    for number in range(KEPT):
        kept[str(number).encode()] = None  # type: ignore[assignment]  # only counted
    await server.accept(sign(RSA, claims()))
    assert len(kept) == KEPT


def _introspection(server: StandIn, answer: Callable[[Asked], Told]) -> dict[str, Any]:
    server.answers["/introspect"] = answer
    endpoint = {"endpoint": f"{server.url}/introspect", "client_id": "dmp", "client_secret": "s3cr:t"}
    return {"introspection": endpoint}


async def test_revoked_token_is_refused_within_seconds(make: Make, stand_in: StandIn) -> None:
    state = {"active": True}
    server = make(**_introspection(stand_in, lambda _: tell(state)))
    token = sign(RSA, claims())
    await server.accept(token)
    await server.accept(token)
    assert stand_in.count("/introspect") == 1
    state["active"] = False
    server.clock.pass_seconds(15)
    assert (await server.refuse(token)).issues[0].code == "token-invalid"
    assert stand_in.count("/introspect") == 2


async def test_introspection_sends_the_token_and_our_credentials(make: Make, stand_in: StandIn) -> None:
    server = make(**_introspection(stand_in, lambda _: tell({"active": True})))
    token = sign(RSA, claims())
    await server.accept(token)
    asked = stand_in.asked[-1]
    assert (asked.method, asked.body) == ("POST", f"token={token}&token_type_hint=access_token")
    assert asked.headers["authorization"] == "Basic ZG1wOnMzY3I6dA=="


async def test_introspection_that_comes_byte_by_byte_is_given_up(
    make: Make, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_set, "IN_ALL", 0.1)
    slow = replace(tell({"active": True}), pause=0.1)
    server = make(**_introspection(stand_in, lambda _: slow))
    assert (await server.refuse(sign(RSA, claims()))).category is Category.UNAVAILABLE


@pytest.mark.parametrize("answer", [{}, {"active": "true"}, {"active": 1}, {"active": True, "sub": "someone else"}])
async def test_only_a_clear_yes_is_one(make: Make, stand_in: StandIn, answer: Any) -> None:
    server = make(**_introspection(stand_in, lambda _: tell(answer)))
    assert (await server.refuse(sign(RSA, claims()))).issues[0].code == "token-invalid"


@pytest.mark.parametrize(
    "answer",
    [tell({}, 500), tell({}, 302, location="https://evil.example"), tell([]), Told(b"{"), Told(b" " * 70_000)],
    ids=["500", "redirect", "list", "no JSON", "huge"],
)
async def test_introspection_that_fails_lets_nobody_in(make: Make, stand_in: StandIn, answer: Told) -> None:
    server = make(**_introspection(stand_in, lambda _: answer))
    assert (await server.refuse(sign(RSA, claims()))).issues[0].code == "issuer-unreachable"


async def test_open_server_lets_everyone_in() -> None:
    assert await OpenAuthenticator().authenticate({}, "") is OPEN


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(st.characters(max_codepoint=255), max_size=200))
async def test_any_header_is_refused_with_an_error_of_ours(server: Setting, text: str) -> None:
    with pytest.raises(FhirError):
        await server.authenticator.authenticate({b"authorization": f"Bearer {text}"}, "")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = ["sub", "aud", "exp", "iat", "nbf", "jti", "client_id", "scope", "fhirUser", "extensions", "cnf"]


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(changed=st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=3))
async def test_any_signed_claims_make_a_requester_or_an_error_of_ours(server: Setting, changed: dict[str, Any]) -> None:
    outcome: Kind | Category
    try:
        outcome = (await server.accept(sign(EC256, {**claims(), **changed}))).kind
    except FhirError as fault:
        outcome = fault.category
    assert outcome in {*USUAL_KINDS, Category.UNAUTHENTICATED, Category.FORBIDDEN}


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(part=st.integers(0, 2), at=st.integers(0, 10_000), sign_of=st.sampled_from([RSA, EC256]))
async def test_any_changed_character_is_noticed(server: Setting, part: int, at: int, sign_of: Any) -> None:
    token = sign(sign_of, claims())
    # the last character of a part also holds bits that are not used
    changed = _tamper(token, part, at % (len(token.split(".")[part]) - 1))
    assert (await server.refuse(changed)).issues[0].code == "token-invalid"


async def test_mounted_in_an_application_it_answers_as_http_wants(server: Setting) -> None:
    async def endpoint(request: Request) -> Response:
        headers = {name.lower().encode(): value for name, value in request.headers.items()}
        try:
            requester = await server.authenticator.authenticate(headers, request.client.host if request.client else "")
        except FhirError as fault:
            shown = {name.decode(): value.decode() for name, value in build_challenge(fault)}
            return Response(status_code=401, headers=shown)
        return Response(requester.name)

    app = Starlette(routes=[Route("/", endpoint)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://dmp") as client:
        token = sign(RSA, claims())
        good = await client.get("/", headers={"Authorization": f"bearer {token}"})
        bad = await client.get("/", headers={"Authorization": f"Bearer {token}x"})
        none = await client.get("/")
    assert (good.status_code, good.text) == (200, "rpps:99900000011")
    assert (bad.status_code, bad.headers["www-authenticate"]) == (401, 'Bearer realm="fhir-dmp", error="invalid_token"')
    assert (none.status_code, none.headers["www-authenticate"]) == (401, 'Bearer realm="fhir-dmp"')


DIGEST = bytes(range(32))
BOUND = {"x5t#S256": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}


async def test_bound_token_is_good_on_its_own_connection_only(
    clock: Clock, stand_in: StandIn, http: httpx.AsyncClient
) -> None:
    stand_in.answers["/jwks"] = lambda _: tell(KEYS)
    setting = {ISSUER: {"jwks": f"{stand_in.url}/jwks", "audience": BASE_URL}}
    issuers = [trust(issuer, http, clock) for issuer in parse_issuers(json.dumps(setting))]
    proxies = parse_proxies("10.0.0.0/8", "X-Forwarded-Client-Cert")
    server = Setting(Authenticator(issuers, proxies, BASE_URL, clock), clock, stand_in)
    token = sign(RSA, claims(cnf=BOUND))
    mine, other = f"Hash={DIGEST.hex()}", f"Hash={DIGEST[::-1].hex()}"
    # twice: the second time the token is one that was verified before
    for _ in range(2):
        assert await server.accept(token, "10.0.0.1", x_forwarded_client_cert=mine)
        assert await server.refuse(token)
        with pytest.raises(FhirError):
            await server.accept(token, "10.0.0.1", x_forwarded_client_cert=other)
        with pytest.raises(FhirError):
            await server.accept(token, "192.0.2.1", x_forwarded_client_cert=mine)


async def test_issuer_may_be_held_to_bound_tokens(make: Make) -> None:
    server = make(requires_certificate=True)
    assert (await server.refuse(sign(RSA, claims()))).issues[0].code == "token-invalid"
