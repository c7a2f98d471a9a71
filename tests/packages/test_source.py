"""A running server takes packages and stored definitions as they come, change and go, without a restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from fhir_dmp.conformance.validate import validate_resource
from fhir_dmp.json_text import JsonObject
from fhir_dmp.loader import Subject, load_definitions, load_registry
from fhir_dmp.packages.archive import read_archive
from fhir_dmp.packages.package import Definition, Package
from fhir_dmp.packages.port import LAST_OWN, R4_PUBLISHED, DefinitionsUnavailable
from fhir_dmp.packages.source import RulesSource
from fhir_dmp.store.mongo.packages import MongoPackages
from fhir_dmp.store.mongo.store import connect
from fhir_dmp.validation.compiler import Schemas
from tests.packages.archives import URL, build_manifest, build_profile, pack
from tests.rest.server import Server

Json = Any

SCHEMAS = Schemas(load_registry())
WAIT_SECONDS = 20
CLAIMS = {"resourceType": "Patient", "meta": {"profile": [URL]}}


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Returns when something holds; fails where it never does."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not await holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def _is_valid(source: RulesSource, names: int) -> bool:
    rules = source.rules()
    patient = {**CLAIMS, "name": [{"family": "A"}] * names}
    report = validate_resource(patient if names else CLAIMS, rules.schemas, rules.profiles)
    return report.is_valid


async def _judge(client: httpx.AsyncClient) -> str:
    """What the running server has to say of a Patient without name that claims the profile."""
    response = await client.post("Patient/$validate", json=CLAIMS)
    return response.text


@pytest.fixture
async def server_store(mongodb_uri: str, fresh_server: Server) -> AsyncIterator[MongoPackages]:
    """The packages of a running server, as a command of another process reaches them."""
    client = connect(mongodb_uri)
    yield MongoPackages(client, fresh_server.database.name)
    await client.close()


def _store(server: Server, resource: Json, version: int = 1, at: int = LAST_OWN + 1) -> None:
    """Stores a definition behind the server's back, as another server of this database does."""
    kind = resource["resourceType"]
    document = {"_id": f"{kind}/1", "ty": kind, "v": version, "lu": at, "m": "PUT", "b": orjson.dumps(resource)}
    server.database["resource"].replace_one({"_id": document["_id"]}, document, upsert=True)


async def test_without_packages_nothing_is_rebuilt(store: MongoPackages) -> None:
    source = RulesSource(store, SCHEMAS)
    before = source.rules()
    await source.load()
    assert source.rules() is before


async def test_rules_change_when_a_package_comes_and_goes(store: MongoPackages, tmp_path: Path) -> None:
    source = RulesSource(store, SCHEMAS)
    assert _is_valid(source, 0)
    package = read_archive(pack(tmp_path / "p.tgz", build_manifest(), build_profile()))
    await store.add(package)
    await source.load()
    assert not _is_valid(source, 0)
    assert _is_valid(source, 1)
    rules = source.rules()
    await source.load()
    assert source.rules() is rules
    await store.remove(package.id)
    await source.load()
    assert _is_valid(source, 0)


@pytest.mark.parametrize(("types", "is_seen"), [(["Patient", "StructureDefinition"], True), (["Patient"], False)])
async def test_after_a_write_of_a_definition_it_holds_at_once(
    fresh_server: Server, server_store: MongoPackages, types: list[str], is_seen: bool
) -> None:
    source = RulesSource(server_store, SCHEMAS)
    await source.load()
    _store(fresh_server, build_profile())
    await source.after_write(types)
    assert _is_valid(source, 0) is not is_seen


async def test_many_writes_at_once_are_each_seen(fresh_server: Server, server_store: MongoPackages) -> None:
    source = RulesSource(server_store, SCHEMAS)

    async def write(least: int) -> bool:
        _store(fresh_server, build_profile(least=least), version=least)
        await source.refresh()
        return not _is_valid(source, least - 1)

    assert all(await asyncio.gather(*(write(least) for least in range(1, 9))))


async def test_a_watched_source_follows_by_itself(store: MongoPackages, tmp_path: Path) -> None:
    source = RulesSource(store, SCHEMAS)
    async with source.watching():
        await store.add(read_archive(pack(tmp_path / "p.tgz", build_manifest(), build_profile())))

        async def is_followed() -> bool:
            return not _is_valid(source, 0)

        await _until(is_followed)


class _Failing:
    """A source that does not answer the first times, and whose watch always ends at once."""

    def __init__(self, package: Package) -> None:
        self.package = package
        self.failures = 2

    async def read_packages(self, known: Mapping[str, Package]) -> Mapping[str, Package]:
        del known
        if self.failures:
            self.failures -= 1
            raise DefinitionsUnavailable("it is away")
        return {"1": self.package}

    async def read_stored(self, known: Mapping[str, Definition]) -> Mapping[str, Definition]:
        del known
        return {}

    async def read_parameters(self) -> list[JsonObject]:
        return []

    async def changes(self) -> AsyncIterator[None]:
        if not self.failures:
            yield
        raise DefinitionsUnavailable("it is not watched")


async def test_what_cannot_be_watched_is_looked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fhir_dmp.packages.source.POLL_SECONDS", 0.01)
    package = read_archive(pack(tmp_path / "p.tgz", build_manifest(), build_profile()))
    source = RulesSource(_Failing(package), SCHEMAS)
    with pytest.raises(DefinitionsUnavailable):
        await source.load()
    async with source.watching():

        async def is_followed() -> bool:
            return not _is_valid(source, 0)

        await _until(is_followed)


async def test_what_the_server_stores_of_its_own_is_not_read(fresh_server: Server, server_store: MongoPackages) -> None:
    for own in (R4_PUBLISHED, LAST_OWN):
        _store(fresh_server, build_profile(), at=own)
        assert await server_store.read_stored({}) == {}
    _store(fresh_server, build_profile(), at=LAST_OWN + 1)
    assert list(await server_store.read_stored({})) == ["StructureDefinition/1/_history/1"]


@pytest.mark.parametrize(
    ("subject", "name"), [("structures", "Patient"), ("structures", "patient-nationality"), ("terminology", "v3-Race")]
)
async def test_what_equals_r4s_own_changes_no_rule(
    fresh_server: Server, server_store: MongoPackages, subject: Subject, name: str
) -> None:
    own = next(row for row in load_definitions(subject) if row["url"].endswith(f"/{name}"))
    _store(fresh_server, {**own, "meta": {"versionId": "1"}})
    assert len(await server_store.read_stored({})) == 1
    source = RulesSource(server_store, SCHEMAS)
    await source.load()
    assert source._definitions.find_beyond_r4(own["url"]) is None  # noqa: SLF001  what the rules cannot show
    _store(fresh_server, {**own, "title": "changed"}, version=2)
    await source.load()
    assert source.rules().find(own["url"]).get("title") == "changed"  # type: ignore[union-attr]  # None fails, too


@pytest.mark.parametrize("resource", [{"url": 1}, {"url": None}, {"version": 1}, {"status": 7}, {"snapshot": []}])
async def test_a_stored_definition_that_is_none_stops_nothing(
    fresh_server: Server, server_store: MongoPackages, resource: Json
) -> None:
    _store(fresh_server, {**build_profile(), **resource})
    source = RulesSource(server_store, SCHEMAS)
    await source.load()
    assert _is_valid(source, 0)


async def test_a_running_server_takes_a_package(
    fresh_client: httpx.AsyncClient, server_store: MongoPackages, tmp_path: Path
) -> None:
    assert "not here" in await _judge(fresh_client)
    await server_store.add(read_archive(pack(tmp_path / "p.tgz", build_manifest(), build_profile())))

    async def is_held_against_it() -> bool:
        return "not here" not in await _judge(fresh_client)

    await _until(is_held_against_it)
    assert (await fresh_client.post("Patient", json=CLAIMS)).status_code == 422


async def test_a_running_server_takes_what_another_one_stores(
    fresh_server: Server, fresh_client: httpx.AsyncClient
) -> None:
    _store(fresh_server, build_profile())

    async def is_held_against_it() -> bool:
        return "not here" not in await _judge(fresh_client)

    await _until(is_held_against_it)
    fresh_server.database["resource"].delete_one({"_id": "StructureDefinition/1"})

    async def is_forgotten() -> bool:
        return not await is_held_against_it()

    await _until(is_forgotten)


async def test_a_profile_that_an_administrator_writes_counts_at_the_next_request_and_no_longer_when_it_is_deleted(
    fresh_client: httpx.AsyncClient,
) -> None:
    async def status() -> int:
        return (await fresh_client.post("Patient", json=CLAIMS)).status_code

    assert await status() == 201
    created = await fresh_client.post("StructureDefinition", json=build_profile())
    assert created.status_code == 201
    assert await status() == 422
    profile = f"StructureDefinition/{created.json()['id']}"
    await fresh_client.put(profile, json={**build_profile(least=0), "id": created.json()["id"]})
    assert await status() == 201
    bundle = {"resourceType": "Bundle", "type": "transaction"}
    entry = {"resource": {**build_profile(), "id": created.json()["id"]}, "request": {"method": "PUT", "url": profile}}
    assert (await fresh_client.post("", json={**bundle, "entry": [entry]})).status_code == 200
    assert await status() == 422
    assert (await fresh_client.delete(profile)).status_code in {200, 204}
    assert await status() == 201


async def test_a_profile_without_possible_snapshot_is_refused(fresh_client: httpx.AsyncClient) -> None:
    element = [{"id": "Patient", "path": "Patient"}, {"id": "Patient.nome", "path": "Patient.nome", "min": 1}]
    response = await fresh_client.post("StructureDefinition", json=build_profile(differential={"element": element}))
    assert response.status_code == 422
    codes = {issue["details"]["coding"][0]["code"] for issue in response.json()["issue"]}
    assert "profile-snapshot" in codes
