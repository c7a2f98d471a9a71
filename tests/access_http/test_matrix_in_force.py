"""A habilitation matrix that is put in force decides in servers that run, and the trace and explanations name it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fhir_dmp.habilitation.port import Kept
from fhir_dmp.loader import load_habilitation
from fhir_dmp.store.mongo.habilitation import MongoMatrices
from fhir_dmp.store.mongo.store import connect
from tests.access_http.house import House

Json = Any

SHIPPED = load_habilitation()
WAIT_SECONDS = 20
POLICY = "https://fhir-dmp.fr/habilitation/"


@pytest.fixture
async def matrices(mongodb_uri: str, house: House) -> AsyncIterator[MongoMatrices]:
    """The matrices of the running servers, as a command of another process reaches them."""
    client = connect(mongodb_uri)
    yield MongoMatrices(client, house.guarded.database.name)
    await client.close()


async def _until_read(house: House, target: str, status: int) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while (await house.get(target, house.petit())).status_code != status:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def _without_doctors(version: str) -> Json:
    return {
        **SHIPPED,
        "version": version,
        "professions": {code: row for code, row in SHIPPED["professions"].items() if code != "10"},
    }


async def _newest_policies(house: House, patient: str) -> list[str]:
    found = (await house.behind.client.get(f"AuditEvent?patient={patient}&_sort=-_lastUpdated&_count=1")).json()
    agents = found["entry"][0]["resource"]["agent"]
    return [text for agent in agents for text in agent.get("policy", ()) if text.startswith(POLICY)]


async def test_a_running_server_decides_by_the_matrix_in_force(house: House, matrices: MongoMatrices) -> None:
    record = await house.make_record()
    target = f"DocumentReference/{record.open}"
    await _until_read(house, target, 200)
    assert await _newest_policies(house, record.patient) == [f"{POLICY}{SHIPPED['version']}"]

    await matrices.put_in_force(_without_doctors("sans médecins"), house.clock.now, is_shipped=False)
    await _until_read(house, target, 404)
    assert await _newest_policies(house, record.patient) == [f"{POLICY}sans%20m%C3%A9decins"]
    found = await house.get(f"DocumentReference?patient={record.patient}", house.petit())
    assert found.json()["total"] == 0
    assert (await house.get(target, house.someone("martin"))).status_code == 200, "the médecin traitant stands outside"
    explained = await house.get(
        f"Patient/{record.patient}/$dmp-explain-access?professional=10000000004&profession=10",
        house.guarded.tokens.patient(record.patient),
    )
    named = {row["name"]: row for row in explained.json()["parameter"]}
    assert named["matrix"]["valueString"] == "sans médecins"
    assert named["class"]

    await matrices.put_in_force(SHIPPED, house.clock.now, is_shipped=False)
    await _until_read(house, target, 200)
    kept = await matrices.kept()
    assert [row.version for row in kept] == [SHIPPED["version"], "sans médecins", SHIPPED["version"]]
    assert [row.is_shipped for row in kept] == [True, False, False]


async def test_of_two_that_come_at_once_each_has_a_number(matrices: MongoMatrices) -> None:
    tables = [{**SHIPPED, "version": f"à la fois {number}"} for number in range(5)]
    rows: list[Kept] = await asyncio.gather(*(matrices.put_in_force(table, 1, is_shipped=False) for table in tables))
    assert len({row.number for row in rows}) == len(tables)
    assert [row.number for row in await matrices.kept()] == list(range(1, len(await matrices.kept()) + 1))
