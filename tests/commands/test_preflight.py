"""What is checked before the server starts."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from fhir_dmp.commands.failure import CommandError, Exit
from fhir_dmp.commands.preflight import check_free, check_local_issuer, check_mode, check_settings
from fhir_dmp.serve import Address
from fhir_dmp.settings import read_settings
from fhir_dmp.sign_in import Mode
from tests.rest.server import OPEN

REQUIRED = Mode(needs_tokens=True, has_local_issuer=False)
DEMO = Mode(needs_tokens=True, has_local_issuer=True)
OPEN_DEMO = Mode(needs_tokens=False, has_local_issuer=True)
SETTINGS = read_settings({})
WITH_ISSUER = read_settings(
    {"FHIR_DMP_ISSUERS": '{"https://a.example": {"jwks": "https://a.example/k", "audience": "b"}}'}
)
OTHERS = ["0.0.0.0", "::", "192.0.2.1", "no-such-host.invalid"]


@pytest.mark.parametrize("mode", [OPEN, DEMO, OPEN_DEMO], ids=str)
@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_a_loopback_address_may_be_open_and_issue_tokens(host: str, mode: Mode) -> None:
    check_mode(Address(host, 8080), SETTINGS, mode)


@pytest.mark.parametrize("mode", [OPEN, DEMO, OPEN_DEMO], ids=str)
@pytest.mark.parametrize("host", OTHERS)
def test_any_other_address_needs_tokens_of_another_issuer(host: str, mode: Mode) -> None:
    with pytest.raises(CommandError, match=f"and {host} is none") as fault:
        check_mode(Address(host, 8080), WITH_ISSUER, mode)
    assert fault.value.code is Exit.USAGE


@pytest.mark.parametrize("host", ["127.0.0.1", *OTHERS])
def test_a_server_that_needs_tokens_needs_an_issuer(host: str) -> None:
    check_mode(Address(host, 8080), WITH_ISSUER, REQUIRED)
    with pytest.raises(CommandError, match="set FHIR_DMP_ISSUERS") as fault:
        check_mode(Address(host, 8080), SETTINGS, REQUIRED)
    assert fault.value.code is Exit.USAGE


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("FHIR_DMP_DATABSE", "FHIR_DMP_DATABASE"),
        ("FHIR_DMP_MONGO_URI", "FHIR_DMP_MONGODB_URI"),
        ("FHIR_DMP_CORS_ORIGIN", "FHIR_DMP_CORS_ORIGINS"),
        ("FHIR_DMP_SUBSCRIPTION_HOST", "FHIR_DMP_SUBSCRIPTION_HOSTS"),
        ("FHIR_DMP_TOKEN", ""),
        ("FHIR_DMP_SHARED", ""),
        ("FHIR_DMP_R4_CORE", ""),
        ("FHIR_DMP_TEST_MONGODB_URI", ""),
        ("FHIR_DMP_MONGOD", ""),
    ],
)
def test_a_misspelled_setting_is_told(
    name: str, setting: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, "x")
    check_settings()
    told = f"fhir-dmp: {name} is no setting and is not read; {setting} is one\n" if setting else ""
    assert capsys.readouterr().err == told


def test_a_port_in_use_is_told_and_a_free_one_is_left_free() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            CommandError,
            match=rf"^cannot listen on 127.0.0.1 port {port}: Address already in use \(--port takes another",
        ) as fault:
            check_free(Address("127.0.0.1", port))
        assert fault.value.code is Exit.ENVIRONMENT
    check_free(Address("127.0.0.1", port))
    check_free(Address("127.0.0.1", port))


def test_an_address_of_another_machine_cannot_be_listened_on() -> None:
    with pytest.raises(CommandError, match=r"^cannot listen on 192\.0\.2\.1 port 8080: "):
        check_free(Address("192.0.2.1", 8080))


@pytest.mark.parametrize(
    ("name", "text"),
    [("keys.json", "{"), ("clients.json", '{"a": 1}'), ("pro-sante-connect.json", '{"issuer": "https://psc.example"}')],
)
def test_a_local_issuer_that_cannot_be_had_is_told(tmp_path: Path, name: str, text: str) -> None:
    settings = read_settings({"FHIR_DMP_DATA_DIR": str(tmp_path)})
    check_local_issuer(settings)
    (tmp_path / "issuer" / name).write_text(text)
    with pytest.raises(CommandError, match=f"^the local issuer cannot be had in {tmp_path}: .*{name}") as fault:
        check_local_issuer(settings)
    assert fault.value.code is Exit.ENVIRONMENT


def test_settings_of_this_environment_are_right() -> None:
    assert check_settings().database


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "FHIR_DMP_TIME_ZONE",
            "Mars/Phobos",
            "FHIR_DMP_TIME_ZONE takes a zone such as Europe/Paris, not 'Mars/Phobos'",
        ),
        ("FHIR_DMP_MAX_BODY", "64M", "FHIR_DMP_MAX_BODY takes a number of bytes, not '64M'"),
        ("FHIR_DMP_MAX_BINARY", "2147483649", "FHIR_DMP_MAX_BINARY takes at most 2147483648 bytes, not 2147483649"),
        ("FHIR_DMP_LOG_LEVEL", "loud", "FHIR_DMP_LOG_LEVEL takes one of debug, info, warning, error, not 'loud'"),
        ("FHIR_DMP_BASE_URL", "fhir", "FHIR_DMP_BASE_URL takes an http or https URL without query, not 'fhir'"),
    ],
)
def test_a_setting_that_cannot_be_used_is_a_mistake(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(CommandError) as fault:
        check_settings()
    assert (fault.value.code, str(fault.value)) == (Exit.USAGE, message)
