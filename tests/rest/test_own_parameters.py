"""SearchParameters that an administrator writes while servers run: refused until every resource has their facts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
from pymongo import MongoClient

from fhir_dmp.app import build_indexer
from fhir_dmp.settings import read_settings
from fhir_dmp.store.mongo import renewal
from fhir_dmp.store.mongo.reindex import Reindexing
from fhir_dmp.store.mongo.store import connect
from tests.rest.server import BASE_URL, FHIR_JSON, Server, run_both, run_server
from tests.rest.test_pages import build_weight

Json = Any
Both = tuple[Server, Server]

HEADERS = {"content-type": FHIR_JSON}
WEIGHTS = 700
URL = "https://fhir-dmp.fr/SearchParameter/test-"


@pytest.fixture
async def both(
    mongodb_uri: str, mongodb_client: MongoClient[Json], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Both]:
    """Two servers of one database, an open one and one that needs tokens, with some Observations."""
    monkeypatch.setattr(renewal, "LOOK_SECONDS", 0.1)
    async with run_both(mongodb_uri, mongodb_client) as (behind, guarded):
        chance = Random(3)
        behind.database["resource"].insert_many([build_weight(chance, number, "seen") for number in range(WEIGHTS)])
        yield behind, guarded


def parameter(code: str, expression: str, **members: Json) -> Json:
    return {
        "resourceType": "SearchParameter", "url": f"{URL}{code}", "name": "Test", "status": "active",
        "description": "A test.", "code": code, "base": ["Observation"], "type": "token", "expression": expression,
        **members,
    }  # fmt: skip


async def search(server: Server, query: str) -> tuple[int, Json]:
    """The status of a strict search, and its total or the code of its error."""
    response = await server.client.get(query, headers={"prefer": "handling=strict"})
    body = response.json()
    is_found = response.status_code == 200
    return response.status_code, body["total"] if is_found else body["issue"][0]["details"]["coding"][0]["code"]


async def settle(server: Server, query: str, expected: Json) -> set[Json]:
    """Asks until an answer is as expected; returns the others that there were before."""
    before: set[Json] = set()
    for _ in range(600):
        found = await search(server, query)
        if found == expected:
            return before
        before.add(found)
        await asyncio.sleep(0.02)
    raise AssertionError(f"{query} gives {before}, not {expected}")


async def test_a_parameter_is_refused_until_all_have_its_facts_then_right_then_gone(both: Both) -> None:
    behind, guarded = both
    assert await search(behind, "Observation?state=final") == (400, "parameter-unknown")
    administrator = {**HEADERS, **guarded.tokens.administrator()}
    body = parameter("state", "Observation.status")
    made = await guarded.client.post("SearchParameter", json=body, headers=administrator)
    assert made.status_code == 201, made.text
    pending = {(400, "parameter-unknown"), (400, "parameter-not-ready")}
    assert await settle(behind, "Observation?state=final&_summary=count", (200, WEIGHTS)) <= pending
    created = await behind.client.post("Observation", json=_observation("amended"), headers=HEADERS)
    assert created.status_code == 201
    assert await search(behind, "Observation?state=amended") == (200, 1)
    assert await search(behind, "Observation?state:not=final&_sort=state") == (200, 1)
    changed = {**body, "id": made.json()["id"], "expression": "Observation.code"}
    put = await guarded.client.put(f"SearchParameter/{changed['id']}", json=changed, headers=administrator)
    assert put.status_code == 200, put.text
    wrong = await settle(behind, "Observation?state=29463-7&_summary=count", (200, WEIGHTS))
    assert wrong <= {*pending, (200, 0)}, "until the other server knows of it, the former definition holds"
    gone = await guarded.client.delete(f"SearchParameter/{changed['id']}", headers=administrator)
    assert gone.status_code == 204
    await settle(behind, "Observation?state=29463-7", (400, "parameter-unknown"))
    await _until_no_form(behind)


async def _until_no_form(server: Server) -> None:
    for _ in range(600):
        if not server.count(ty="Observation", f={"$exists": True}):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("facts of a parameter that is gone are still there")


async def test_indexing_that_a_server_left_off_is_gone_on_with_by_another(
    both: Both, mongodb_uri: str, mongodb_client: MongoClient[Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a crash: some have the facts, a server that knows nothing wrote others, and nobody is at work."""
    behind, _ = both
    body = parameter("state", "Observation.status")
    await behind.client.post("SearchParameter", json=body, headers=HEADERS)
    await settle(behind, "Observation?state=final&_summary=count", (200, WEIGHTS))
    monkeypatch.setattr(renewal, "LOOK_SECONDS", 1000.0)
    await asyncio.sleep(0.3)
    some = [row["_id"] for row in behind.database["resource"].find({"ty": "Observation"}).limit(300)]
    behind.database["resource"].update_many({"_id": {"$in": some}}, {"$unset": {"f": "", "t": ""}})
    assert await search(behind, "Observation?state=final") == (400, "parameter-not-ready")
    conditional = {**HEADERS, "if-none-exist": "state=final"}
    refused = await behind.client.post("Observation", json=_observation("final"), headers=conditional)
    assert refused.status_code == 400, refused.text
    behind.database["setting"].delete_one({"_id": "renewal"})
    async with run_server(mongodb_uri, mongodb_client, DATABASE=behind.database.name) as another:
        await settle(another, "Observation?state=final&_summary=count", (200, WEIGHTS))


async def test_reindexing_by_hand_counts_and_renews_what_is_of_another_form(
    mongodb_uri: str, mongodb_client: MongoClient[Json], database_name: str
) -> None:
    rows = [build_weight(Random(3), number, "seen") for number in range(3)]
    mongodb_client[database_name]["resource"].insert_many(
        [{**row, "_id": f"Observation/{n}"} for n, row in enumerate(rows)]
    )
    indexer = build_indexer(read_settings({"FHIR_DMP_BASE_URL": BASE_URL}), [parameter("state", "Observation.status")])
    async with connect(mongodb_uri) as client:
        run = Reindexing(client, database_name, indexer, is_complete=False)
        assert await run.count() == 3
        assert [finding async for finding in run.run(lambda _: None)] == []
        assert (run.rebuilt, await run.count()) == (3, 0)
    found = mongodb_client[database_name]["resource"].find()
    assert all("Observation.state=final" in row["t"] for row in found)


def _observation(status: str) -> Json:
    return {"resourceType": "Observation", "status": status, "code": {"text": "x"}}


@pytest.mark.parametrize(
    ("changed", "element"),
    [
        ({"code": "status"}, "code"),
        ({"code": "STATUS"}, "code"),
        ({"code": "_mine"}, "code"),
        ({"code": "a.b"}, "code"),
        ({"base": ["Observation", "Account"]}, "base[1]"),
        ({"type": "special"}, "type"),
        ({"expression": "Observation.status.("}, "expression"),
        ({"expression": "Patient.gender"}, "expression"),
        ({"expression": "Observation.unheard"}, "expression"),
    ],
)
async def test_a_definition_that_cannot_be_indexed_is_refused(server: Server, changed: Json, element: str) -> None:
    body = {**parameter("mine", "Observation.status"), **changed}
    refused = await server.client.post("SearchParameter", json=body, headers=HEADERS)
    assert refused.status_code == 422, refused.text
    assert f"SearchParameter.{element}" in {row["expression"][0] for row in refused.json()["issue"]}
