"""FHIR_DMP_ISSUERS: what it takes, and how what it does not take is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_dmp.access.requester import Kind
from fhir_dmp.authentication.fault import SettingUnusable
from fhir_dmp.authentication.issuers import parse_issuers
from fhir_dmp.authentication.judgement import USUAL_KINDS
from fhir_dmp.authentication.statement import PATHS
from tests.authentication.userinfo import USERINFO

USUAL = {"jwks": "https://a.example/jwks", "audience": "https://dmp.example/fhir"}


def _parse(**changed: Any) -> Any:
    given = {name: value for name, value in {**USUAL, **changed}.items() if value is not None}
    return parse_issuers(json.dumps({"https://a.example": given}))[0]


def test_empty_setting_trusts_nobody() -> None:
    assert parse_issuers("") == parse_issuers(" {} ") == ()


def test_issuer_has_safe_defaults() -> None:
    issuer = _parse()
    assert issuer.name == "https://a.example"
    assert issuer.audience == ("https://dmp.example/fhir",)
    assert issuer.algorithms == {"RS256", "ES256", "ES384"}
    assert issuer.rules.kinds == USUAL_KINDS
    assert Kind.ADMINISTRATOR not in issuer.rules.kinds
    assert issuer.paths == PATHS
    assert not issuer.requires_certificate
    assert issuer.introspection is issuer.endpoints is None


def test_everything_can_be_said() -> None:
    issuer = _parse(
        jwks="/etc/keys.json",
        audience=["a", "b"],
        algorithms=["ES256"],
        claims={"rpps": "a.b", "profession": ["https://c.example/d", "e"]},
        kinds=["patient"],
        excluded_sectors=["SA99"],
        requires_certificate=True,
        introspection={"endpoint": "https://a.example/i", "client_id": "dmp", "client_secret": "s"},
        endpoints={"token": "https://a.example/t", "authorization": "http://127.0.0.1:1/a"},
    )
    assert (issuer.jwks, issuer.audience, issuer.algorithms) == ("/etc/keys.json", ("a", "b"), {"ES256"})
    assert issuer.paths == {**PATHS, "rpps": ("a", "b"), "profession": ("https://c.example/d", "e")}
    assert issuer.rules.kinds == {Kind.PATIENT}
    assert issuer.rules.excluded_sectors == {"SA99"}
    assert issuer.introspection.url == "https://a.example/i"
    assert issuer.endpoints.authorization == "http://127.0.0.1:1/a"
    assert "'s'" not in repr(issuer)


def test_setting_may_name_a_file(tmp_path: Path) -> None:
    file = tmp_path / "issuers.json"
    file.write_text(json.dumps({"https://a.example": USUAL}))
    assert parse_issuers(str(file)) == parse_issuers(file.read_text())


def test_tokens_of_pro_sante_connect_are_read_as_userinfo() -> None:
    issuer = _parse(claims="pro-sante-connect")
    assert issuer.read({**USERINFO, "azp": "app", "jti": "1"}).rpps == "99900000011"
    assert issuer.read({**USERINFO, "azp": "app"}).client == "app"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{", "is not JSON"),
        ("/nowhere/issuers.json", "No such file"),
        ('{"https://a.example": {}, "https://a.example": {}}', "'https://a.example' is there twice"),
        ('{"https://a.example": {"jwks": "a", "jwks": "b"}}', "'jwks' is there twice"),
        ('{"a":' * 5000, "is not JSON"),
        ('{"https://a.example": []}', "https://a.example: the value is not of type 'object'"),
        ('{"https://a.example": {}}', "https://a.example: 'jwks' is a required property"),
    ],
)
def test_what_is_no_setting_is_named(text: str, place: str) -> None:
    with pytest.raises(SettingUnusable, match=r"FHIR_DMP_ISSUERS") as fault:
        parse_issuers(text)
    assert place in str(fault.value)


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"audience": None}, "'audience' is a required property"),
        ({"audience": []}, "audience"),
        ({"audience": ""}, "audience"),
        ({"algorithms": ["HS256"]}, "algorithms > 0: 'HS256' is not one of"),
        ({"algorithms": ["none"]}, "algorithms > 0"),
        ({"algorithms": []}, "algorithms"),
        ({"kinds": ["system"]}, "kinds > 0"),
        ({"kinds": ["excluded"]}, "kinds > 0"),
        ({"claims": "keycloak"}, "claims"),
        ({"claims": {"patient": "a"}}, "claims"),
        ({"audiance": "x"}, "'audiance' was unexpected"),
        ({"introspection": {"endpoint": "https://a.example"}}, "introspection: 'client_id' is a required property"),
        ({"jwks": "http://a.example/jwks"}, "no https address"),
        ({"jwks": "ftp://127.0.0.1/jwks"}, "no https address"),
        ({"jwks": "https://user@a.example/jwks"}, "no https address"),
        ({"jwks": "https:///jwks"}, "no https address"),
        ({"jwks": "https://[a.example/jwks"}, "no https address"),
        ({"jwks": "https://a.example:x/jwks"}, "no https address"),
        ({"jwks": "https://a.example/jw ks"}, "no https address"),
        ({"jwks": "https://a.example\\jwks"}, "no https address"),
        ({"jwks": "https://a.example/jwks\u0007"}, "no https address"),
        ({"endpoints": {"token": "http://a.example/t"}}, "no https address"),
        ({"endpoints": {"authorization": "https://a.example/a"}}, "'token' is a required property"),
    ],
)
def test_what_cannot_be_used_is_named_by_its_place(changed: dict[str, Any], place: str) -> None:
    with pytest.raises(SettingUnusable) as fault:
        _parse(**changed)
    assert str(fault.value).startswith("FHIR_DMP_ISSUERS: https://a.example")
    assert place in str(fault.value)


def test_secret_is_never_repeated() -> None:
    secret = {"endpoint": "https://a.example/i", "client_id": "dmp", "client_secret": ["hunter2"]}
    with pytest.raises(SettingUnusable) as fault:
        _parse(introspection=secret)
    assert "hunter2" not in str(fault.value)
    assert "client_secret" in str(fault.value)
