"""The definitions that a server stores at its first start, and looks after at each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from fhir_dmp.app import ALL_ROUTES
from fhir_dmp.conformance.depth import Depth
from fhir_dmp.loader import Subject, load_capability, load_definitions, load_shipped_definitions
from fhir_dmp.packages.port import LAST_OWN
from fhir_dmp.seed import seed_definitions
from fhir_dmp.settings import Settings
from tests.commands.conftest import Run, RunningServer
from tests.rest.server import OPEN

Json = Any

OURS = "https://fhir-dmp.fr/"
PROFILE = f"{OURS}StructureDefinition/dmp-consent"


def test_the_definitions_are_stored_once_and_verify_finds_nothing_wrong_with_them(
    settings: Settings, command: Run
) -> None:
    stored = seed_definitions(settings)
    assert seed_definitions(settings) == 0
    assert command("verify") == (0, [f"{stored:,} versions, 0 of them audit events: nothing is wrong"])


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of R4's definitions only the last: to store all of them takes long."""

    def load(subject: Subject) -> list[Json]:
        return [row for row in load_definitions(subject) if row["id"] == "Resource-validate"]

    monkeypatch.setattr("fhir_dmp.seed.load_definitions", load)


@pytest.fixture
def client(settings: Settings, few: None) -> Iterator[httpx.Client]:
    """A client of a server that has started once."""
    del few
    seed_definitions(settings)
    server = RunningServer.of(replace(settings, validation=Depth.OFF), OPEN)
    server.start()
    with httpx.Client(base_url=server.base_url) as opened:
        yield opened
    server.stop()


def _find(client: httpx.Client, kind: str, url: str) -> list[Json]:
    found = client.get(f"/{kind}", params={"url": url})
    assert found.status_code == 200
    return [row["resource"] for row in found.json().get("entry", [])]


def _change_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the server another version of itself, which says more of every definition."""
    rows = [row | {"title": "another version"} for row in load_shipped_definitions()]
    monkeypatch.setattr("fhir_dmp.seed.load_shipped_definitions", lambda: rows)


def test_each_definition_of_ours_is_found_by_its_canonical_and_read_by_its_id(client: httpx.Client) -> None:
    rows = load_shipped_definitions()
    found = {row["url"]: _find(client, row["resourceType"], row["url"]) for row in rows}
    assert {url: len(resources) for url, resources in found.items()} == {row["url"]: 1 for row in rows}
    assert client.get("/StructureDefinition/dmp-consent").json()["url"] == PROFILE


def test_each_operation_that_we_define_has_its_definition() -> None:
    named = {
        definition for kind in ("", *load_capability().types) for definition in ALL_ROUTES.operations(kind).values()
    }
    shipped = {row["url"] for row in load_shipped_definitions() if row["resourceType"] == "OperationDefinition"}
    assert {url for url in named if url.startswith(OURS)} == shipped


def test_what_somebody_has_changed_or_deleted_stays_so_and_the_rest_follows_the_server(
    settings: Settings, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = client.get("/StructureDefinition/dmp-consent").json() | {"title": "of the house"}
    assert client.put("/StructureDefinition/dmp-consent", json=changed).status_code == 200
    assert client.delete("/ValueSet/dmp-channel").status_code == 204
    assert seed_definitions(settings) == 0
    _change_shipped(monkeypatch)
    assert seed_definitions(settings) == len(load_shipped_definitions()) - 2
    assert seed_definitions(settings) == 0
    assert client.get("/StructureDefinition/dmp-consent").json()["title"] == "of the house"
    assert client.get("/ValueSet/dmp-channel").status_code == 410
    followed = client.get("/OperationDefinition/dmp-open").json()
    assert (followed["title"], followed["meta"]["versionId"]) == ("another version", "2")


def test_what_the_server_stores_of_its_own_is_no_rule_that_somebody_has_stored(
    settings: Settings, client: httpx.Client, mongodb_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _change_shipped(monkeypatch)
    seed_definitions(settings)
    resources = mongodb_client[settings.database]["resource"]
    assert resources.count_documents({"lu": {"$gt": LAST_OWN}}) == 0
    client.put("/StructureDefinition/dmp-consent", json=client.get("/StructureDefinition/dmp-consent").json())
    assert resources.count_documents({"lu": {"$gt": LAST_OWN}}) == 1
