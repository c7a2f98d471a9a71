"""What the local issuer reads of the data folder: its keys, its clients, where Pro Santé Connect is."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from joserfc import jwt

from fhir_dmp.authentication.certificate import TrustedProxies
from fhir_dmp.authentication.fault import SettingUnusable
from fhir_dmp.authentication.statement import Statement
from fhir_dmp.issuer.clients import DEMO, load_clients
from fhir_dmp.issuer.fault import OAuthError
from fhir_dmp.issuer.grant import Grant, of_professional
from fhir_dmp.issuer.identities import read_identities
from fhir_dmp.issuer.keys import FILE, load_keys
from fhir_dmp.issuer.local import Surroundings, load_pro_sante_connect
from fhir_dmp.issuer.scope import grant_scopes, narrow_scopes
from fhir_dmp.issuer.server import issuer_url
from fhir_dmp.loader import data_folder
from tests.authentication.signing import Clock


def test_keys_are_made_once_and_kept_for_their_owner(tmp_path: Path) -> None:
    first, second = load_keys(tmp_path), load_keys(tmp_path)
    assert first.public == second.public
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / FILE).parent.iterdir()] == ["keys.json"]


def test_processes_that_start_at_once_get_the_same_keys(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: load_keys(tmp_path).public, range(16)))
    assert all(keys == found[0] for keys in found)


@pytest.mark.parametrize("algorithm", ["ES256", "ES384"])
def test_both_keys_sign(tmp_path: Path, algorithm: str) -> None:
    keys = load_keys(tmp_path)
    token = jwt.decode(keys.sign({"sub": "x"}, algorithm), keys.by_algorithm[algorithm], [algorithm])
    assert (token.header["alg"], token.header["typ"], token.claims) == (algorithm, "at+jwt", {"sub": "x"})


def _write(folder: Path, name: str, value: Any) -> None:
    (folder / "issuer").mkdir(exist_ok=True)
    (folder / "issuer" / name).write_text(value if isinstance(value, str) else json.dumps(value))


def test_without_registered_clients_there_is_the_demo(tmp_path: Path) -> None:
    assert load_clients(tmp_path) == {"demo": DEMO}
    assert DEMO.is_public


def test_registered_clients_replace_the_demo(tmp_path: Path) -> None:
    given = {"redirect_uris": ["https://app.example/cb"], "contexts": ["patient"], "name": "App"}
    _write(tmp_path, "clients.json", {"app": given, "ehr": {"jwks": {"keys": []}, "kind": "hospital"}})
    clients = load_clients(tmp_path)
    assert sorted(clients) == ["app", "ehr"]
    assert (clients["app"].redirect_uris, clients["app"].contexts) == (("https://app.example/cb",), ("patient",))
    assert not clients["ehr"].is_public


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("{", "clients.json"),
        ([], "the value"),
        ({"app": {"redirect_uri": "x"}}, "app"),
        ({"app": {"contexts": ["all"]}}, "app > contexts > 0"),
        ({"app": {"kind": "patient"}}, "app > kind"),
        ({"app": {"secret_sha256": "secret"}}, "app > secret_sha256"),
        ({"app": {"jwks_uri": "http://app.example/jwks"}}, "app > jwks_uri"),
        ('{"app": {}, "app": {}}', "'app' is there twice"),
    ],
)
def test_clients_that_cannot_be_used_are_named(tmp_path: Path, value: Any, place: str) -> None:
    _write(tmp_path, "clients.json", value)
    with pytest.raises(SettingUnusable) as fault:
        load_clients(tmp_path)
    assert place in str(fault.value)


PSC = {
    "issuer": "https://psc.example",
    "jwks_uri": "https://psc.example/certs",
    "introspection_endpoint": "https://psc.example/introspect",
    "userinfo_endpoint": "https://psc.example/userinfo",
    "client_id": "dmp",
    "client_secret": "secret",
}


async def test_pro_sante_connect_is_where_the_data_folder_says(tmp_path: Path) -> None:
    async with httpx.AsyncClient() as http:
        around = Surroundings(http, Clock(), lambda: "", TrustedProxies())
        assert load_pro_sante_connect(tmp_path, around) is None
        _write(tmp_path, "pro-sante-connect.json", PSC)
        found = load_pro_sante_connect(tmp_path, around)
        assert found is not None
        assert (found.issuer, found.userinfo) == ("https://psc.example", "https://psc.example/userinfo")
        _write(tmp_path, "pro-sante-connect.json", {**PSC, "client_id": 7})
        with pytest.raises(SettingUnusable, match=r"pro-sante-connect\.json needs"):
            load_pro_sante_connect(tmp_path, around)
        _write(tmp_path, "pro-sante-connect.json", {**PSC, "introspection_endpoint": "http://psc.example/introspect"})
        with pytest.raises(SettingUnusable, match="introspection_endpoint is no https address"):
            load_pro_sante_connect(tmp_path, around)


def test_every_professional_of_the_demo_can_sign_in() -> None:
    entries = orjson.loads((data_folder("examples") / "00-annuaire.json").read_bytes())["entry"]
    identities = read_identities(entries)
    roles = [entry for entry in entries if entry["resource"]["resourceType"] == "PractitionerRole"]
    assert len(identities) == len(roles)
    assert len({identity.key for identity in identities}) == len(identities)
    carpentier = next(identity for identity in identities if "Carpentier" in identity.label)
    assert carpentier.statement.rpps == "99900000011"
    assert (carpentier.statement.professions, carpentier.statement.specialties) == (("10",), ("SM54",))
    assert carpentier.statement.organization


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("http://127.0.0.1:8080/fhir", "http://127.0.0.1:8080/auth"),
        ("https://dmp.example/a", "https://dmp.example/a/auth"),
    ],
)
def test_issuer_is_beside_the_base(base_url: str, url: str) -> None:
    assert issuer_url(base_url) == url


def test_grant_is_stored_and_read_as_it_was() -> None:
    statement = Statement("s", rpps="99900000011", professions=("10",), purposes=("TREAT",), reason="x")
    grant = of_professional(statement, "app", ("user/*.rs",))
    assert Grant.from_json(orjson.loads(orjson.dumps(grant.as_json()))) == grant


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("patient/*.rs", ["patient/*.rs"]),
        ("patient/Observation.cruds user/Patient.read", ["patient/Observation.cruds", "user/Patient.read"]),
        ("patient/*.* patient/*.write", ["patient/*.*", "patient/*.write"]),
        ("patient/*.rs patient/*.rs", ["patient/*.rs"]),
        ("patient/*.rs offline_access openid", ["patient/*.rs", "offline_access"]),
        ("patient/Observation.rs?category=a|b", ["patient/Observation.rs?category=a|b"]),
        ("patient/*.rs system/*.rs", ["patient/*.rs"]),
        ("patient/*.sr patient/*.rs", ["patient/*.rs"]),
    ],
)
def test_scopes_are_granted_as_they_are_asked_for_if_at_all(asked: str, granted: list[str]) -> None:
    assert list(grant_scopes(asked, {"patient", "user"}, {"offline_access"})) == granted


@pytest.mark.parametrize(
    "asked", ["", "offline_access", "patient/*.", "patient/*.rs?", "Patient/*.rs", "patient/*.rrs"]
)
def test_without_a_scope_of_resources_nothing_is_granted(asked: str) -> None:
    with pytest.raises(OAuthError):
        grant_scopes(asked, {"patient"}, {"offline_access"})


def test_scopes_are_narrowed_never_widened() -> None:
    assert narrow_scopes("", ("a", "b")) == ("a", "b")
    assert narrow_scopes("b", ("a", "b")) == ("b",)
    with pytest.raises(OAuthError):
        narrow_scopes("a c", ("a", "b"))
