"""`fhir-dmp token`: what it prints is accepted by the server of the same data folder, and by no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fhir_dmp.access.requester import Kind, Requester
from fhir_dmp.authentication.authenticator import Authenticator, TrustedIssuer
from fhir_dmp.authentication.certificate import TrustedProxies
from fhir_dmp.authentication.issuers import Issuer
from fhir_dmp.authentication.judgement import Rules
from fhir_dmp.authentication.key_set import KeySet, from_keys
from fhir_dmp.authentication.token import parse_token
from fhir_dmp.cli import run
from fhir_dmp.issuer.keys import load_keys
from fhir_dmp.issuer.server import issuer_url
from fhir_dmp.outcome import FhirError

Print = Callable[..., str]
DOCTOR = ["practitioner", "--rpps", "99900000011", "--profession", "10"]


@pytest.fixture
def printed(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Print:
    """Runs the command on a data folder of its own."""
    monkeypatch.setenv("FHIR_DMP_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("FHIR_DMP_BASE_URL", raising=False)

    def run_token(*arguments: str) -> str:
        assert run(["token", *arguments]) == 0
        return capsys.readouterr().out.strip()

    return run_token


def _claims(token: str) -> dict[str, Any]:
    return parse_token(token, {"ES256": None}, frozenset({"at+jwt"})).claims  # type: ignore[dict-item]  # names only


async def _accept(token: str, data_dir: Path, base_url: str = "http://127.0.0.1:8080/fhir") -> Requester:
    now: int = _claims(token)["iat"] * 1000
    issuer = Issuer(issuer_url(base_url), "", (base_url,), Rules(frozenset(Kind)))
    keys = KeySet(from_keys(load_keys(data_dir).public), lambda: now)
    server = Authenticator([TrustedIssuer(issuer, keys)], TrustedProxies(), base_url, lambda: now)
    return await server.authenticate({b"authorization": f"Bearer {token}"}, "")


async def test_practitioner(printed: Print, tmp_path: Path) -> None:
    reason = ["--purpose", "BTG", "--reason", "coma", "--regulator"]
    token = printed(*DOCTOR, "--specialty", "SM54", "--organization", "990000100", *reason)
    requester = await _accept(token, tmp_path)
    assert (requester.kind, requester.rpps, requester.profession) == (Kind.PRACTITIONER, "99900000011", "10")
    assert (requester.specialty, requester.organization) == ("SM54", "990000100")
    assert (*requester.purposes, requester.reason, requester.is_regulator) == ("BTG", "coma", True)
    assert requester.scopes == ("user/*.cruds",)


@pytest.mark.parametrize(
    ("arguments", "kind", "patient"),
    [
        (["patient", "--id", "42"], Kind.PATIENT, "42"),
        (["representative", "--id", "42"], Kind.REPRESENTATIVE, "42"),
        (["helper", "--id", "42"], Kind.HELPER, "42"),
        (["system", "--client", "sih"], Kind.HOSPITAL, ""),
        (["system", "--client", "sih", "--kind", "administrator"], Kind.ADMINISTRATOR, ""),
        (["system", "--client", "sih", "--kind", "auditor"], Kind.AUDITOR, ""),
        (
            ["system", "--client", "cnam", "--kind", "health-insurance", "--organization", "180035024"],
            Kind.HEALTH_INSURANCE,
            "",
        ),
    ],
)
async def test_each_kind(printed: Print, tmp_path: Path, arguments: list[str], kind: Kind, patient: str) -> None:
    requester = await _accept(printed(*arguments), tmp_path)
    assert (requester.kind, requester.patient_id) == (kind, patient)


async def test_token_has_what_is_asked_for(printed: Print, tmp_path: Path) -> None:
    token = printed(
        "patient", "--id", "42", "--scope", "patient/*.rs", "--expires", "60", "--url", "https://a.example/fhir"
    )
    claims = _claims(token)
    assert (claims["iss"], claims["aud"]) == ("https://a.example/auth", "https://a.example/fhir")
    assert claims["exp"] - claims["iat"] == 60
    assert (await _accept(token, tmp_path, "https://a.example/fhir")).scopes == ("patient/*.rs",)


async def test_token_is_good_on_its_own_server_only(printed: Print, tmp_path: Path) -> None:
    token = printed("patient", "--id", "42")
    with pytest.raises(FhirError):
        await _accept(token, tmp_path / "other")
    with pytest.raises(FhirError):
        await _accept(token, tmp_path, "http://127.0.0.1:9000/fhir")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing command"),
        (["practitioner", "--rpps", "1", "--profession", "10"], "is not 11 digits"),
        (["practitioner", "--rpps", "99900000011"], "Missing option '--profession'"),
        ([*DOCTOR[:-1], "doctor"], "is not a TRE_G15 code"),
        ([*DOCTOR, "--specialty", "54"], "is not TRE_R38"),
        ([*DOCTOR, "--purpose", "BTG"], "breaking the glass needs a reason"),
        ([*DOCTOR, "--purpose", "HMARKT"], "'HMARKT' is not one of"),
        (["patient", "--id", "a b"], "is not the id of a resource"),
        (["patient"], "Missing option '--id'"),
        (["patient", "--id", "1", "--expires", "0"], "--expires"),
        (["patient", "--id", "1", "--url", "ftp://a"], "takes the base URL of a server"),
        (["system"], "Missing option '--client'"),
        (["system", "--client", "cnam", "--kind", "health-insurance"], "--organization names the structure"),
        (["system", "--client", ""], "is not the name of a program"),
        (["patient", "--id", ""], "is not the id of a resource"),
        (["helper", "--id", ""], "is not the id of a resource"),
        (["practitioner", "--rpps", "", "--profession", "10"], "is not 11 digits"),
        ([*DOCTOR[:-1], ""], "is not a TRE_G15 code"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("printed")
def test_what_cannot_be_printed_is_said_in_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["token", *arguments]) == 2
    told = capsys.readouterr()
    assert message in told.err
    assert (told.out, told.err.count("\n")) == ("", 1)


@pytest.mark.parametrize("stored", [[], {}, {"keys": []}, {"keys": [{"alg": "ES256", "kty": "EC"}]}], ids=str)
@pytest.mark.usefixtures("printed")
def test_data_folder_that_cannot_be_used_is_named(
    stored: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "issuer").mkdir()
    (tmp_path / "issuer" / "keys.json").write_text(json.dumps(stored))
    assert run(["token", "patient", "--id", "1"]) == 3
    assert "keys of the local issuer" in capsys.readouterr().err
