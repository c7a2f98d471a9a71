"""The settings of authentication, put together on a real mongod: who is let in, and what apps are told."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from fhir_dmp.access.requester import OPEN, Kind
from fhir_dmp.authentication.algorithm import ACCESS_TOKENS
from fhir_dmp.authentication.fault import SettingUnusable
from fhir_dmp.authentication.token import parse_token
from fhir_dmp.cli import run
from fhir_dmp.outcome import FhirError
from fhir_dmp.settings import Settings, read_settings
from fhir_dmp.sign_in import Mode, SignIn, check_sign_in, open_sign_in
from tests.authentication.signing import Clock, claims, pair, sign
from tests.authentication.stand_in import run_stand_in, tell

BASE_URL = "http://127.0.0.1:8080/fhir"
RSA = pair("rsa", "RS256")


def _settings(folder: Path, **changed: str) -> Settings:
    environ = {"FHIR_DMP_DATA_DIR": str(folder), "FHIR_DMP_BASE_URL": BASE_URL}
    return read_settings({**environ, **{f"FHIR_DMP_{name}": value for name, value in changed.items()}})


async def _kind(sign_in: SignIn, token: str) -> Kind:
    headers = {b"authorization": f"Bearer {token}"} if token else {}
    return (await sign_in.authentication.authenticate(headers, "127.0.0.1")).kind


async def test_local_and_configured_issuers_are_accepted_side_by_side(
    tmp_path: Path,
    mongodb_uri: str,
    database_name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FHIR_DMP_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FHIR_DMP_BASE_URL", BASE_URL)
    assert run(["token", "patient", "--id", "42"]) == 0
    token = capsys.readouterr().out.strip()
    with run_stand_in() as stand_in:
        stand_in.answers["/jwks"] = lambda _: tell({"keys": [RSA.public()]})
        issuers = json.dumps({"https://issuer.example": {"jwks": f"{stand_in.url}/jwks", "audience": BASE_URL}})
        clock = Clock()
        other = sign(RSA, claims(aud=BASE_URL, exp=4_000_000_000))
        # the command reads the real clock, the other token comes from the clock of these tests
        clock.at = 1_000 * _issued_at(token)
        async with AsyncMongoClient[dict[str, Any]](mongodb_uri) as client:
            settings = _settings(tmp_path, ISSUERS=issuers)
            mode = Mode(needs_tokens=True, has_local_issuer=True)
            async with open_sign_in(settings, mode, client[database_name], clock, lambda: "id") as sign_in:
                assert await _kind(sign_in, token) is Kind.PATIENT
                assert await _kind(sign_in, other) is Kind.PRACTITIONER
                with pytest.raises(FhirError):
                    await _kind(sign_in, "")
                assert sign_in.endpoints is not None
                assert sign_in.endpoints.token == "http://127.0.0.1:8080/auth/token"


def _issued_at(token: str) -> int:
    return int(parse_token(token, ACCESS_TOKENS, frozenset({"at+jwt"})).claims["iat"])


async def test_without_the_local_issuer_its_tokens_are_not_accepted(
    tmp_path: Path, mongodb_uri: str, database_name: str
) -> None:
    endpoints = {"token": "https://issuer.example/token"}
    issuer = {"jwks": "https://issuer.example/jwks", "audience": BASE_URL, "endpoints": endpoints}
    settings = _settings(tmp_path, ISSUERS=json.dumps({"https://issuer.example": issuer}))
    async with AsyncMongoClient[dict[str, Any]](mongodb_uri) as client:
        mode = Mode(needs_tokens=True, has_local_issuer=False)
        async with open_sign_in(settings, mode, client[database_name], Clock(), lambda: "id") as sign_in:
            assert sign_in.server is None
            assert sign_in.endpoints is not None
            assert sign_in.endpoints.token == "https://issuer.example/token"
    assert not (tmp_path / "issuer").exists()


async def test_open_server_lets_everyone_in(tmp_path: Path, mongodb_uri: str, database_name: str) -> None:
    async with AsyncMongoClient[dict[str, Any]](mongodb_uri) as client:
        mode = Mode(needs_tokens=False, has_local_issuer=False)
        async with open_sign_in(_settings(tmp_path), mode, client[database_name], Clock(), lambda: "id") as sign_in:
            assert await _kind(sign_in, "") is OPEN.kind
            assert sign_in.endpoints is None


@pytest.mark.parametrize(
    "changed",
    [{"ISSUERS": "{"}, {"TRUSTED_PROXIES": "proxy"}, {"CLIENT_CERTIFICATE_HEADER": "a b"}],
    ids=str,
)
def test_settings_that_cannot_be_used_are_found_before_the_start(tmp_path: Path, changed: dict[str, str]) -> None:
    with pytest.raises(SettingUnusable):
        check_sign_in(_settings(tmp_path, **changed))


@pytest.mark.parametrize(
    ("written", "why"),
    [(None, "No such file"), (b"{", "holds no JWK Set"), (b'{"key": []}', "holds no JWK Set"), (b'{"keys": []}', "")],
    ids=str,
)
def test_file_of_keys_that_cannot_be_used_is_found_before_the_start(
    tmp_path: Path, written: bytes | None, why: str
) -> None:
    file = tmp_path / "keys.json"
    if written is not None:
        file.write_bytes(written)
    settings = _settings(tmp_path, ISSUERS=json.dumps({"https://a.example": {"jwks": str(file), "audience": "b"}}))
    with pytest.raises(SettingUnusable, match=why) if why else nullcontext():
        check_sign_in(settings)
