"""RFC 8693, end to end: a stand-in Pro Santé Connect over HTTP, an app's client, our token, our server."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from fhir_dmp.access.requester import Kind
from fhir_dmp.authentication import key_set
from fhir_dmp.authentication.issuers import IntrospectionEndpoint
from fhir_dmp.authentication.key_set import KeySet, from_url
from fhir_dmp.issuer.pro_sante_connect import ProSanteConnect
from fhir_dmp.outcome import FhirError
from tests.authentication.signing import Clock, Pair, pair, sign
from tests.authentication.stand_in import Asked, StandIn, Told, run_stand_in, tell
from tests.authentication.userinfo import USERINFO, activity, practice
from tests.issuer.server import BASE_URL, HOSPITAL_KEY, Local, as_client, assertion, run_issuer

PSC = "https://auth.bas.psc.esante.gouv.fr/auth/realms/esante-wallet"
PSC_KEY = pair("psc", "RS256")
TOKEN = "psc-access-token"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
FORM = {
    "grant_type": EXCHANGE,
    "subject_token": TOKEN,
    "subject_token_type": ACCESS_TOKEN,
    "scope": "user/*.rs",
}
TWO = [practice("10", "SM54", activity("R1", "990000100", "SA07"), activity("R2", "990000028", "SA01"))]
DIGEST = hashlib.sha256(b"certificate").digest()
XFCC = f'Hash={DIGEST.hex()};Subject="CN=software"'


class Psc:
    """The stand-in: what it says of one token, and in which form."""

    def __init__(self, stand_in: StandIn) -> None:
        self.stand_in = stand_in
        self.known: dict[str, Any] = {"active": True, "iss": PSC, "sub": USERINFO["sub"], "azp": "psc-app"}
        self.userinfo: dict[str, Any] = dict(USERINFO)
        self.signed_by: Pair | None = None
        self.header: dict[str, Any] = {"typ": "JWT"}
        stand_in.answers["/introspect"] = self._introspect
        stand_in.answers["/userinfo"] = self._userinfo
        stand_in.answers["/certs"] = lambda _: tell({"keys": [PSC_KEY.public()]})

    def _introspect(self, asked: Asked) -> Told:
        if asked.headers.get("authorization") != "Basic ZG1wOnNlY3JldA==":
            return tell({"error": "invalid_client"}, 401)
        return tell(self.known if f"token={TOKEN}&" in asked.body else {"active": False})

    def _userinfo(self, asked: Asked) -> Told:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return tell({}, 401)
        if self.signed_by is None:
            return tell(self.userinfo)
        body = sign(self.signed_by, {"iss": PSC, **self.userinfo}, **self.header).encode()
        return Told(body, 200, {"content-type": "application/jwt;charset=UTF-8"})


@pytest.fixture
def psc() -> Iterator[Psc]:
    """A Pro Santé Connect that knows one professional."""
    with run_stand_in() as stand_in:
        yield Psc(stand_in)


@pytest.fixture
async def local(mongodb_uri: str, database_name: str, clock: Clock, psc: Psc) -> AsyncIterator[Local]:
    """The local issuer, which exchanges tokens of that Pro Santé Connect."""
    url = psc.stand_in.url
    async with httpx.AsyncClient(timeout=5) as http:
        source = ProSanteConnect(
            PSC,
            IntrospectionEndpoint(f"{url}/introspect", "dmp", "secret"),
            f"{url}/userinfo",
            KeySet(from_url(http, f"{url}/certs"), clock),
            http,
        )
        async with run_issuer(mongodb_uri, database_name, clock, pro_sante_connect=source) as running:
            yield running


async def _exchange(local: Local, **changed: str) -> Any:
    return await local.tokens(**as_client(assertion(local.clock), **{**FORM, **changed}))


async def _refuse(local: Local, **changed: str) -> Any:
    form = {name: value for name, value in {**FORM, **changed}.items() if value}
    answer = await local.post("token", as_client(assertion(local.clock), **form))
    assert answer.status_code >= 400, answer.text
    return answer.json()


@pytest.mark.parametrize("signed_by", [None, PSC_KEY], ids=["JSON", "signed JWT"])
async def test_professional_of_pro_sante_connect_becomes_our_requester(
    local: Local, psc: Psc, signed_by: Pair | None
) -> None:
    psc.signed_by = signed_by
    tokens = await _exchange(local)
    assert tokens["issued_token_type"] == ACCESS_TOKEN
    assert tokens["expires_in"] == 120
    requester = await local.accept(tokens["access_token"])
    assert (requester.kind, requester.rpps, requester.profession) == (Kind.PRACTITIONER, "99900000011", "10")
    assert (requester.specialty, requester.organization) == ("SM54", "990000100")
    assert (*requester.purposes, requester.client, *requester.scopes) == ("TREAT", "hospital", "user/*.rs")
    assert requester.display == "Hélène Carpentier"
    assert not requester.is_regulator


async def test_exchange_may_name_what_it_gets_anyway(local: Local) -> None:
    assert await _exchange(local, audience=BASE_URL, resource=f"{BASE_URL}/", requested_token_type=ACCESS_TOKEN)


async def test_regulator_is_one_because_pro_sante_connect_says_so(local: Local, psc: Psc) -> None:
    psc.userinfo["Acces_Regulation_Medicale"] = "VRAI"
    tokens = await _exchange(local, purpose_of_use="ETREAT")
    requester = await local.accept(tokens["access_token"])
    assert (requester.is_regulator, *requester.purposes) == (True, "ETREAT")


async def test_purpose_and_reason_are_signed_into_the_token(local: Local) -> None:
    tokens = await _exchange(local, purpose_of_use="BTG", reason="coma")
    requester = await local.accept(tokens["access_token"])
    assert (*requester.purposes, requester.reason) == ("BTG", "coma")
    assert (await _refuse(local, purpose_of_use="BTG"))["error"] == "invalid_request"


async def test_one_of_several_situations_has_to_be_chosen(local: Local, psc: Psc) -> None:
    psc.userinfo["SubjectRefPro"] = {"exercices": TWO}
    refused = await _refuse(local)
    assert refused["error"] == "invalid_request"
    assert "several situations" in refused["error_description"]
    tokens = await _exchange(local, situation_exercice="990000028")
    assert (await local.accept(tokens["access_token"])).organization == "990000028"


async def test_occupational_physician_is_excluded_with_his_token(local: Local, psc: Psc) -> None:
    psc.userinfo["SubjectRefPro"] = {"exercices": [practice("10", "SM25", activity("R1", "990000100", "SA07"))]}
    tokens = await _exchange(local)
    assert (await local.accept(tokens["access_token"])).kind is Kind.EXCLUDED


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"subject_token": "unknown"}, "invalid_request"),
        ({"subject_token": ""}, "invalid_request"),
        ({"subject_token_type": ""}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
        ({"scope": ""}, "invalid_scope"),
        ({"scope": "system/*.rs patient/*.rs"}, "invalid_scope"),
        ({"situation_exercice": "990000999"}, "invalid_request"),
        ({"purpose_of_use": "HPAYMT"}, "invalid_request"),
        ({"audience": "https://other.example/fhir"}, "invalid_target"),
        ({"resource": "https://other.example/fhir"}, "invalid_target"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({"actor_token": "x", "actor_token_type": ACCESS_TOKEN}, "invalid_request"),
    ],
    ids=str,
)
async def test_exchange_that_cannot_be_granted_is_refused(local: Local, changed: dict[str, str], error: str) -> None:
    assert (await _refuse(local, **changed))["error"] == error


@pytest.mark.parametrize(
    "known",
    [
        {"active": False},
        {"active": "true"},
        {"azp": "another-app"},
        {"azp": None},
        {"iss": "https://evil.example"},
        {"sub": "someone else"},
        {"sub": None},
    ],
    ids=str,
)
async def test_token_that_is_not_good_or_not_ours_to_use_is_not_exchanged(
    local: Local, psc: Psc, known: dict[str, Any]
) -> None:
    psc.known |= known
    assert (await _refuse(local))["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("signed_by", "header", "userinfo"),
    [
        (PSC_KEY.__class__("psc", "RS256", pair("stranger", "RS256").key), {}, {}),
        (PSC_KEY, {"kid": "unknown"}, {}),
        (PSC_KEY, {"typ": "at+jwt"}, {}),
        (PSC_KEY, {}, {"iss": "https://evil.example"}),
        (PSC_KEY, {}, {"sub": "someone else"}),
    ],
    ids=["a stranger's key", "unknown key", "typ", "another issuer", "another person"],
)
async def test_signed_userinfo_has_to_be_of_pro_sante_connect(
    local: Local, psc: Psc, signed_by: Pair, header: dict[str, Any], userinfo: dict[str, Any]
) -> None:
    psc.signed_by, psc.header = signed_by, {**psc.header, **header}
    psc.userinfo |= userinfo
    assert (await _refuse(local))["error"] == "invalid_request"


@pytest.mark.parametrize("path", ["/introspect", "/userinfo", "/certs"])
@pytest.mark.parametrize("answer", [Told(b"<html>", 200, {"content-type": "text/html"}), Told(b" " * 70_000)])
async def test_outage_of_pro_sante_connect_is_no_fault_of_the_token(
    local: Local, psc: Psc, path: str, answer: Told
) -> None:
    psc.signed_by = PSC_KEY if path == "/certs" else None
    psc.stand_in.answers[path] = lambda _: answer
    assert (await _refuse(local))["error"] == "temporarily_unavailable"


@pytest.mark.parametrize("path", ["/introspect", "/userinfo", "/certs"])
async def test_pro_sante_connect_that_answers_byte_by_byte_is_given_up(
    local: Local, psc: Psc, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_set, "IN_ALL", 0.2)
    psc.signed_by = PSC_KEY if path == "/certs" else None
    quick = psc.stand_in.answers[path]
    psc.stand_in.answers[path] = lambda asked: replace(quick(asked), pause=0.05)
    assert (await _refuse(local))["error"] == "temporarily_unavailable"


async def test_software_is_known_by_its_certificate_and_its_token_is_bound_to_it(local: Local) -> None:
    answer = await local.post("token", FORM, x_forwarded_client_cert=XFCC)
    token = answer.json()["access_token"]
    requester = await local.accept(token, x_forwarded_client_cert=XFCC)
    assert (requester.client, requester.rpps) == ("software", "99900000011")
    with pytest.raises(FhirError):
        await local.accept(token)
    with pytest.raises(FhirError):
        await local.accept(token, x_forwarded_client_cert=XFCC.replace(DIGEST.hex(), DIGEST[::-1].hex()))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x_forwarded_client_cert": XFCC.replace("CN=software", "CN=other")},
        {"x_forwarded_client_cert": f"Hash={DIGEST.hex()}"},
        {"client_cert": ":AAAA:"},
    ],
    ids=str,
)
async def test_software_without_its_certificate_is_not_known(local: Local, headers: dict[str, str]) -> None:
    answer = await local.post("token", {**FORM, "client_id": "software"}, **headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_confirmation_that_is_sent_has_to_be_of_the_connection(local: Local) -> None:
    wrong = await local.post("token", {**FORM, "cnf": "AAAA"}, x_forwarded_client_cert=XFCC)
    assert wrong.json()["error"] == "invalid_request"


async def test_assertion_and_certificate_together_bind_the_token(local: Local) -> None:
    form = as_client(assertion(local.clock, key=HOSPITAL_KEY), **FORM)
    answer = await local.post("token", form, x_forwarded_client_cert=XFCC)
    with pytest.raises(FhirError):
        await local.accept(answer.json()["access_token"])


async def test_public_client_exchanges_nothing(local: Local) -> None:
    assert await local.error(**FORM, client_id="app") == "invalid_client"


async def test_without_pro_sante_connect_nothing_is_exchanged(
    mongodb_uri: str, database_name: str, clock: Clock
) -> None:
    async with run_issuer(mongodb_uri, database_name, clock) as plain:
        assert await plain.error(**as_client(assertion(clock), **FORM)) == "unsupported_grant_type"
