"""authorization_code with PKCE, end to end: an app, a user on the page, tokens, refreshed tokens, and thieves."""

from __future__ import annotations

import asyncio

import pytest

from fhir_dmp.access.requester import Kind
from fhir_dmp.outcome import FhirError
from tests.issuer.server import AUTH, BASE_URL, CHALLENGE, VERIFIER, Local, code_form, told_at_redirect


async def test_patient_signs_in_and_the_app_gets_a_token_that_is_accepted(local: Local) -> None:
    told = await local.decide(await local.page())
    assert (told["state"], told["iss"]) == ("s t&ate", AUTH)
    tokens = await local.redeem(told["code"])
    assert (tokens["token_type"], tokens["expires_in"], tokens["patient"]) == ("Bearer", 300, "42")
    assert tokens["scope"] == "launch/patient patient/*.rs user/Patient.read offline_access"
    requester = await local.accept(tokens["access_token"])
    assert (requester.kind, requester.patient_id, requester.client) == (Kind.PATIENT, "42", "app")
    assert requester.scopes == tuple(tokens["scope"].split())


async def test_professional_breaks_the_glass_with_a_reason(local: Local) -> None:
    code = await local.code(identity="doctor", purpose_of_use="BTG", reason=" coma,  seul ")
    tokens = await local.redeem(code)
    requester = await local.accept(tokens["access_token"])
    assert (requester.kind, requester.rpps, requester.profession) == (Kind.PRACTITIONER, "99900000011", "10")
    assert (*requester.purposes, requester.reason) == ("BTG", "coma, seul")
    assert tokens["patient"] == "42"


@pytest.mark.parametrize(("who", "kind"), [("representative", Kind.REPRESENTATIVE), ("helper", Kind.HELPER)])
async def test_who_acts_for_a_patient_signs_in_for_him(local: Local, who: str, kind: Kind) -> None:
    tokens = await local.redeem(await local.code(identity=who, patient="Patient/42"))
    requester = await local.accept(tokens["access_token"])
    assert (requester.kind, requester.patient_id) == (kind, "42")


@pytest.mark.parametrize(
    "decided",
    [
        {"identity": "nobody"},
        {"patient": ""},
        {"patient": "../1"},
        {"identity": "doctor", "purpose_of_use": "BTG"},
        {"identity": "doctor", "purpose_of_use": "HMARKT"},
        {"identity": "doctor", "reason": "x" * 501},
    ],
    ids=str,
)
async def test_user_who_does_not_say_who_he_is_gets_no_code(local: Local, decided: dict[str, str]) -> None:
    told = await local.decide(await local.page(), **decided)
    assert told["error"] == "invalid_request"
    assert "code" not in told


async def test_user_may_refuse(local: Local) -> None:
    told = await local.decide(await local.page(), decision="deny")
    assert told == {"error": "access_denied", "state": "s t&ate", "iss": AUTH}


async def test_page_shows_what_is_asked_and_cannot_be_framed(local: Local) -> None:
    page = await local.page(scope='patient/Patient.rs?name="><script>alert(1)</script>', state="")
    assert "Mon application" in page.text
    assert "<script" not in page.text
    assert "Carpentier &lt;Médecin&gt;" in page.text
    assert page.headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "unknown"},
        {"client_id": ""},
        {"redirect_uri": ""},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1:5000/callback/more"},
        {"redirect_uri": "http://127.0.0.1:5000/call\nback"},
        {"redirect_uri": "http://127.0.0.1:5000/callback\t"},
        {"redirect_uri": " http://127.0.0.1:5000/callback"},
        {"redirect_uri": "http://127.0.0.1:5000/callback?"},
        {"redirect_uri": "http://127.0.0.1:5000/callback?more=1"},
        {"redirect_uri": "http://127.0.0.1:5000/callback#more"},
        {"redirect_uri": "http://evil@127.0.0.1:5000/callback"},
        {"redirect_uri": "http://127.0.0.1:x/callback"},
        {"redirect_uri": "https://127.0.0.1/callback"},
        {"redirect_uri": "http://127.0.0.1.evil.example/callback"},
        {"redirect_uri": "https://app.example:444/cb?x=1"},
        {"redirect_uri": "https://app.example/cb"},
    ],
    ids=str,
)
async def test_nobody_is_redirected_to_an_address_that_is_not_registered(local: Local, changed: dict[str, str]) -> None:
    page = await local.page(**changed)
    assert page.status_code == 400
    assert "location" not in page.headers


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1/callback", "http://127.0.0.1:65535/callback", "https://app.example/cb?x=1"]
)
async def test_port_of_the_loopback_address_is_free(local: Local, uri: str) -> None:
    assert (await local.page(redirect_uri=uri)).status_code == 200


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": ""}, "unsupported_response_type"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge": VERIFIER, "code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge": CHALLENGE + "A"}, "invalid_request"),
        ({"aud": "https://evil.example/fhir"}, "invalid_request"),
        ({"scope": ""}, "invalid_scope"),
        ({"scope": "offline_access launch/patient"}, "invalid_scope"),
        ({"scope": "system/*.rs"}, "invalid_scope"),
        ({"scope": "patient/*.sr patient/*. patient/.rs user/*.banana"}, "invalid_scope"),
    ],
    ids=str,
)
async def test_request_that_cannot_be_granted_is_answered_at_the_redirect_uri(
    local: Local, changed: dict[str, str], error: str
) -> None:
    told = told_at_redirect(await local.page(**changed))
    assert (told["error"], told["state"], told["iss"]) == (error, "s t&ate", AUTH)


async def test_repeated_parameter_is_refused(local: Local) -> None:
    page = await local.http.get("authorize?client_id=app&client_id=other&redirect_uri=http://127.0.0.1/callback")
    assert page.status_code == 400


async def test_scopes_that_are_not_known_are_left_out_and_those_of_v1_stay(local: Local) -> None:
    page = await local.page(scope="openid patient/*.rs system/*.rs patient/Observation.rs?category=x patient/*.*")
    told = await local.decide(page)
    tokens = await local.redeem(told["code"])
    assert tokens["scope"] == "patient/*.rs patient/Observation.rs?category=x patient/*.*"
    assert "refresh_token" not in tokens


async def test_decision_counts_once(local: Local) -> None:
    page = await local.page()
    await local.decide(page)
    with pytest.raises(AssertionError, match="answered, or is too old"):
        await local.decide(page)


async def test_decision_without_a_request_is_refused(local: Local) -> None:
    answer = await local.post("authorize", {"request": "guess", "decision": "allow", "identity": "doctor"})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_verifier": VERIFIER[:-1] + "W"}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_grant"),
        ({"code_verifier": CHALLENGE}, "invalid_grant"),
        ({"code_verifier": "short"}, "invalid_grant"),
        ({"client_id": "other"}, "invalid_grant"),
        ({"client_id": "unknown"}, "invalid_client"),
        ({"client_id": ""}, "invalid_client"),
        ({"client_id": "hospital"}, "invalid_client"),
        ({"client_id": "software"}, "invalid_client"),
        ({"client_id": "resource"}, "invalid_client"),
        ({"redirect_uri": "http://127.0.0.1:5001/callback"}, "invalid_grant"),
        ({"redirect_uri": ""}, "invalid_grant"),
        ({"code": "guess"}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "invalid_request"),
    ],
    ids=str,
)
async def test_code_is_good_only_for_who_asked_for_it(local: Local, changed: dict[str, str], error: str) -> None:
    code = await local.code()
    assert await local.error(**code_form(code, **changed)) == error


async def test_code_that_was_tried_wrongly_is_spent(local: Local) -> None:
    code = await local.code()
    await local.error(**code_form(code, code_verifier="short"))
    assert await local.error(**code_form(code)) == "invalid_grant"


async def test_code_is_good_for_a_minute(local: Local) -> None:
    code = await local.code()
    local.clock.pass_seconds(60)
    assert await local.error(**code_form(code)) == "invalid_grant"


async def test_code_that_comes_twice_revokes_what_came_of_it(local: Local) -> None:
    code = await local.code()
    tokens = await local.redeem(code)
    assert await local.error(**code_form(code)) == "invalid_grant"
    with pytest.raises(FhirError):
        await local.accept(tokens["access_token"])
    assert await local.error(**_refresh(tokens["refresh_token"])) == "invalid_grant"


async def test_of_many_who_redeem_a_code_at_once_one_gets_tokens(local: Local) -> None:
    code = await local.code()
    answers = await asyncio.gather(*(local.post("token", code_form(code)) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 9


def _refresh(token: str, **changed: str) -> dict[str, str]:
    return {"grant_type": "refresh_token", "client_id": "app", "refresh_token": token, **changed}


async def test_professional_is_launched_for_a_patient_and_does_not_become_him(local: Local) -> None:
    tokens = await local.redeem(await local.code(identity="doctor"))
    assert tokens["patient"] == "42"
    requester = await local.accept(tokens["access_token"])
    assert (requester.kind, requester.launch_patient, requester.patient_id) == (Kind.PRACTITIONER, "42", "")
    patient = await local.redeem(await local.code())
    assert (await local.accept(patient["access_token"])).launch_patient == ""


async def test_refresh_token_rotates(local: Local) -> None:
    first = await local.redeem(await local.code())
    second = await local.tokens(**_refresh(first["refresh_token"]))
    third = await local.tokens(**_refresh(second["refresh_token"]))
    assert len({first["refresh_token"], second["refresh_token"], third["refresh_token"]}) == 3
    assert (await local.accept(third["access_token"])).patient_id == "42"


async def test_refresh_token_that_comes_twice_revokes_the_session(local: Local) -> None:
    first = await local.redeem(await local.code())
    second = await local.tokens(**_refresh(first["refresh_token"]))
    assert await local.error(**_refresh(first["refresh_token"])) == "invalid_grant"
    assert await local.error(**_refresh(second["refresh_token"])) == "invalid_grant"
    with pytest.raises(FhirError):
        await local.accept(second["access_token"])


async def test_refreshed_token_may_have_fewer_scopes_and_never_more(local: Local) -> None:
    first = await local.redeem(await local.code())
    second = await local.tokens(**_refresh(first["refresh_token"], scope="patient/*.rs offline_access"))
    assert second["scope"] == "patient/*.rs offline_access"
    assert await local.error(**_refresh(second["refresh_token"], scope="patient/*.cruds")) == "invalid_scope"


async def test_refresh_token_is_not_spent_on_scopes_that_it_does_not_give(local: Local) -> None:
    first = await local.redeem(await local.code())
    assert await local.error(**_refresh(first["refresh_token"], scope="patient/*.cruds")) == "invalid_scope"
    second = await local.tokens(**_refresh(first["refresh_token"]))
    assert (await local.accept(second["access_token"])).patient_id == "42"


async def test_refresh_token_is_its_clients_own(local: Local) -> None:
    first = await local.redeem(await local.code())
    assert await local.error(**_refresh(first["refresh_token"], client_id="other")) == "invalid_grant"


async def test_public_client_need_not_name_itself_when_it_refreshes(local: Local) -> None:
    first = await local.redeem(await local.code())
    unnamed = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    assert (await local.tokens(**unnamed))["access_token"]
    assert await local.error(**unnamed) == "invalid_grant"
    assert await local.error(grant_type="refresh_token", refresh_token="unknown") == "invalid_grant"


async def test_refresh_token_ends_after_a_day(local: Local) -> None:
    first = await local.redeem(await local.code())
    local.clock.pass_seconds(24 * 3600)
    assert await local.error(**_refresh(first["refresh_token"])) == "invalid_grant"


@pytest.mark.parametrize(
    ("form", "missing"),
    [
        ({}, "grant_type"),
        ({"grant_type": ""}, "grant_type"),
        ({"grant_type": "authorization_code"}, "code"),
        ({"grant_type": "refresh_token"}, "refresh_token"),
    ],
    ids=str,
)
async def test_parameter_that_is_missing_is_named(local: Local, form: dict[str, str], missing: str) -> None:
    answer = await local.post("token", {**form, "client_id": "app"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert answer.json()["error_description"] == f"{missing} is needed"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"grant_type=a&grant_type=b", "application/x-www-form-urlencoded"),
        (b"grant_type=%ff", "application/x-www-form-urlencoded"),
        (b"\xff", "application/x-www-form-urlencoded"),
        (b"a=" + b"x" * 70_000, "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=1" % number for number in range(60)), "application/x-www-form-urlencoded"),
        (b'{"grant_type":"authorization_code"}', "application/json"),
        (b"", ""),
    ],
    ids=["twice", "no UTF-8", "bytes", "huge", "many", "JSON", "nothing"],
)
async def test_form_that_is_none_is_refused(local: Local, body: bytes, kind: str) -> None:
    answer = await local.http.post("token", content=body, headers={"content-type": kind} if kind else {})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("origin", "is_shared"),
    [
        ("https://app.example", True),
        ("http://127.0.0.1:3000", True),
        ("http://app.example", False),
        ("https://app.example:444", False),
        ("https://evil.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("null", False),
    ],
)
async def test_pages_of_registered_apps_may_read_answers(local: Local, origin: str, is_shared: bool) -> None:
    answer = await local.post("token", code_form("guess"), origin=origin)
    assert answer.headers.get("access-control-allow-origin") == (origin if is_shared else None)
    assert answer.headers["vary"] == "Origin"


async def test_token_is_for_this_server_and_signed_by_its_published_key(local: Local) -> None:
    answer = await local.http.get("jwks")
    assert [key["alg"] for key in answer.json()["keys"]] == ["ES256", "ES384"]
    assert not any("d" in key for key in answer.json()["keys"])
    assert local.server.audience == BASE_URL
