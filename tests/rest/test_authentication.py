"""A server that needs tokens: who is let in, what is public, and what those learn who are not let in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from fhir_dmp.sign_in import Mode
from tests.rest.server import BASE_URL, FHIR_JSON, GUARDED, Server, run_both, run_server

OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
CONFIGURATION = ".well-known/smart-configuration"
MEDECIN = ("99900000011", "10")
TARGETS = [
    ("GET", "Patient/1"),
    ("GET", "Patient"),
    ("HEAD", "Patient/1"),
    ("POST", "Patient"),
    ("POST", "Patient/_search"),
    ("POST", ""),
    ("PUT", "Patient/1"),
    ("PATCH", "Patient/1"),
    ("DELETE", "Patient/1"),
    ("GET", "_history"),
    ("POST", "metadata"),
    ("GET", "Nothing/of/this/kind"),
    ("GET", "$unknown"),
    ("OPTIONS", "Patient"),
]


@pytest.fixture(scope="module")
async def both(mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]) -> AsyncIterator[tuple[Server, Server]]:
    async with run_both(mongodb_uri, mongodb_client, TRUSTED_PROXIES="127.0.0.1") as servers:
        yield servers


@pytest.fixture(scope="module")
def guarded(both: tuple[Server, Server]) -> Server:
    return both[1]


def _code(answer: httpx.Response) -> str:
    code: str = answer.json()["issue"][0]["details"]["coding"][0]["code"]
    return code


async def _store(server: Server, resource: dict[str, Any]) -> str:
    headers = {"content-type": FHIR_JSON}
    stored: dict[str, str] = (await server.client.post(resource["resourceType"], json=resource, headers=headers)).json()
    return stored["id"]


async def _ask_plainly(server: Server, method: str, path: str, **options: Any) -> httpx.Response:
    """Asks for what is no FHIR, and so not held against its rules."""
    transport = httpx.ASGITransport(app=server.app)
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
        return await client.request(method, path, **options)


@pytest.mark.parametrize(("method", "path"), TARGETS)
async def test_without_a_token_nothing_is_answered_but_a_challenge(guarded: Server, method: str, path: str) -> None:
    answer = await guarded.client.request(method, path, headers={"content-type": FHIR_JSON})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="fhir-dmp"'
    assert method == "HEAD" or _code(answer) == "token-missing"


@pytest.mark.parametrize("header", ["Bearer x", "Bearer ", "bearer a.b.c", "Bearer a b"])
async def test_a_bad_token_is_told_from_a_missing_one_and_no_more(guarded: Server, header: str) -> None:
    answer = await guarded.client.get("Patient/1", headers={"authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="fhir-dmp", error="invalid_token"'
    assert _code(answer) == "token-invalid"


async def test_a_token_in_the_url_is_none(guarded: Server) -> None:
    token = guarded.tokens.patient("1")["authorization"].removeprefix("Bearer ")
    assert (await guarded.client.get("Patient/1", params={"access_token": token})).status_code == 401


async def test_a_token_of_another_server_is_not_accepted(
    guarded: Server, mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]
) -> None:
    async with run_server(mongodb_uri, mongodb_client, None, GUARDED) as other:
        headers = other.tokens.patient("1")
        assert (await other.client.get("Patient?_id=1", headers=headers)).status_code == 200
        assert (await guarded.client.get("Patient?_id=1", headers=headers)).status_code == 401


async def test_everyone_with_a_token_is_let_in(guarded: Server) -> None:
    tokens = guarded.tokens
    for headers in (
        tokens.practitioner(*MEDECIN),
        tokens.patient("1"),
        tokens.representative("1"),
        tokens.helper("1"),
        tokens.hospital("990000028"),
        tokens.administrator(),
        tokens.auditor(),
    ):
        answer = await guarded.client.get("Practitioner", headers=headers)
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("path", ["Patient/1", "Practitioner", "", "metadata/x", "$unknown"])
async def test_occupational_medicine_is_refused_whatever_it_asks_for(guarded: Server, path: str) -> None:
    headers = guarded.tokens.practitioner("99900000011", "10", specialties=("SM25",))
    answer = await guarded.client.get(path, headers=headers)
    assert (answer.status_code, _code(answer)) == (403, "not-allowed")
    assert "www-authenticate" not in answer.headers
    assert (await guarded.client.get("metadata", headers=headers)).status_code == 200


async def test_a_token_that_does_not_say_who_asks_is_refused(guarded: Server) -> None:
    answer = await guarded.client.get("Patient/1", headers=guarded.tokens.practitioner("", "10"))
    assert (answer.status_code, _code(answer)) == (403, "requester-unknown")


async def test_what_the_open_server_stores_the_guarded_one_guards(both: tuple[Server, Server]) -> None:
    behind, guarded = both
    patient = await _store(behind, {"resourceType": "Patient"})
    own, other = guarded.tokens.patient(patient), guarded.tokens.patient("other")
    assert (await guarded.client.get(f"Patient/{patient}", headers=own)).status_code == 200
    assert (await guarded.client.get(f"Patient/{patient}", headers=other)).status_code == 404


async def test_metadata_is_public_and_says_where_tokens_are_had(guarded: Server) -> None:
    answer = await guarded.client.get("metadata")
    (security,) = (rest["security"] for rest in answer.json()["rest"])
    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    (uris,) = (item["extension"] for item in security["extension"] if item["url"] == OAUTH_URIS)
    assert {item["url"]: item["valueUri"] for item in uris} == {
        "token": "http://testserver/auth/token",
        "authorize": "http://testserver/auth/authorize",
        "introspect": "http://testserver/auth/introspect",
        "revoke": "http://testserver/auth/revoke",
    }
    again = await guarded.client.get("metadata", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    assert (await guarded.client.head("metadata")).status_code == 200


async def test_an_open_server_says_nothing_of_tokens(both: tuple[Server, Server]) -> None:
    behind, guarded = both
    answer = await behind.client.get("metadata")
    assert all("security" not in rest for rest in answer.json()["rest"])
    assert answer.headers["etag"] != (await guarded.client.get("metadata")).headers["etag"]
    assert (await behind.client.get(CONFIGURATION)).status_code == 404


@pytest.mark.parametrize("accept", ["*/*", "application/fhir+json", "application/fhir+xml"])
async def test_smart_configuration_is_public_and_json(guarded: Server, accept: str) -> None:
    answer = await _ask_plainly(guarded, "GET", CONFIGURATION, headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json()["token_endpoint"] == "http://testserver/auth/token"
    assert answer.headers["x-request-id"]


async def test_the_web_pages_need_no_token(guarded: Server) -> None:
    home = await _ask_plainly(guarded, "GET", "http://testserver/")
    assert (home.status_code, home.headers["content-type"]) == (200, "text/html; charset=utf-8")
    for link in ("fhir/metadata?_pretty=true", "docs", "pages/docs/guide/fr/hospital.md"):
        assert f'"{link}"' in home.text
        assert (await _ask_plainly(guarded, "GET", f"http://testserver/{link}")).status_code == 200


async def test_where_nobody_is_known_who_gives_tokens_there_is_no_smart_configuration(
    mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]
) -> None:
    mode = Mode(needs_tokens=True, has_local_issuer=False)
    async with run_server(mongodb_uri, mongodb_client, None, mode) as server:
        assert (await server.client.get(CONFIGURATION)).status_code == 404
        assert (await server.client.get("Patient/1")).status_code == 401
        assert "extension" not in (await server.client.get("metadata")).json()["rest"][0]["security"]
        assert (await _ask_plainly(server, "GET", "http://testserver/auth/jwks")).status_code == 404


async def test_the_local_issuer_is_beside_the_base(guarded: Server) -> None:
    answer = await _ask_plainly(guarded, "GET", "http://testserver/auth/jwks")
    kids = {key["kid"] for key in answer.json()["keys"]}
    assert kids == {key["kid"] for key in guarded.tokens.keys.public["keys"]}
    assert (await _ask_plainly(guarded, "GET", "http://testserver/auth/authorize")).status_code == 400


async def test_health_needs_no_token(guarded: Server) -> None:
    assert (await _ask_plainly(guarded, "GET", "http://testserver/health/ready")).status_code == 200


async def test_many_requesters_at_once_are_not_mixed_up(both: tuple[Server, Server]) -> None:
    behind, guarded = both
    patients = [await _store(behind, {"resourceType": "Patient"}) for _ in range(8)]

    async def ask(own: str, wanted: str) -> tuple[bool, int]:
        answer = await guarded.client.get(f"Patient/{wanted}", headers=guarded.tokens.patient(own))
        return own == wanted, answer.status_code

    answers = await asyncio.gather(*(ask(own, wanted) for own in patients for wanted in patients))
    assert {status for is_own, status in answers if is_own} == {200}
    assert {status for is_own, status in answers if not is_own} == {404}


@pytest.mark.parametrize("kind", ["", "batch", "transaction"])
async def test_the_trace_knows_the_request_and_the_client_behind_a_proxy(
    both: tuple[Server, Server], kind: str
) -> None:
    behind, guarded = both
    patient = await _store(behind, {"resourceType": "Patient"})
    headers = {**guarded.tokens.patient(patient), "x-request-id": f"request-{kind}", "x-forwarded-for": "192.0.2.7"}
    if kind:
        entry = {"request": {"method": "GET", "url": f"Patient/{patient}"}}
        bundle = {"resourceType": "Bundle", "type": kind, "entry": [entry]}
        answer = await guarded.client.post("", json=bundle, headers={"content-type": FHIR_JSON, **headers})
        assert answer.json()["entry"][0]["response"]["status"].startswith("200"), answer.text
    else:
        assert (await guarded.client.get(f"Patient/{patient}", headers=headers)).status_code == 200
    trace = (await behind.client.get("AuditEvent", params={"patient": patient, "type": "rest"})).json()
    seen = [row["resource"] for row in trace["entry"] if f"request-{kind}" in str(row["resource"]["entity"])]
    assert seen, trace
    for event in seen:
        assert "192.0.2.7" in {agent.get("network", {}).get("address") for agent in event["agent"]}
