"""A parameter whose name is told to be absent names nothing: it is refused, and no defect of the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import MongoClient

from tests.rest.server import Server, run_server

Json = Any
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
NAMELESS: Json = {"_name": {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}}
DELETION = [{"name": "type", "valueCode": "delete"}, {"name": "path", "valueString": "Patient.name"}]
NAMING = [{"name": "type", "valueCode": "add"}, {"name": "path", "valueString": "Patient"},
          {"name": "name", "valueString": "contact"},
          {"name": "value", "part": [{**NAMELESS, "valueString": "x"}]}]  # fmt: skip
PATCHES = {
    "an operation": (400, [{**NAMELESS, "part": DELETION}]),
    "a part": (400, [{"name": "operation", "part": [*DELETION, {**NAMELESS, "valueString": "x"}]}]),
    "an element": (422, [{"name": "operation", "part": NAMING}]),
}


@pytest.fixture
async def server(mongodb_uri: str, mongodb_client: MongoClient[Json]) -> AsyncIterator[Server]:
    async with run_server(mongodb_uri, mongodb_client) as running:
        yield running


@pytest.mark.parametrize("target", ["$fhirpath", "Patient/$validate", "ValueSet/$expand", "Patient/$match"])
async def test_an_operation_refuses_a_parameter_without_a_name(server: Server, target: str) -> None:
    body = {"resourceType": "Parameters", "parameter": [{**NAMELESS, "valueString": "x"}]}
    answer = await server.client.post(target, json=body)
    assert (answer.status_code, answer.json()["issue"][0]["details"]["coding"][0]["code"]) == (
        400,
        "parameter-unknown",
    ), answer.text


@pytest.mark.parametrize("name", PATCHES)
async def test_a_patch_refuses_what_has_no_name(server: Server, name: str) -> None:
    status, parameters = PATCHES[name]
    assert (await server.client.put("Patient/p", json={"resourceType": "Patient", "id": "p"})).status_code == 201
    body = {"resourceType": "Parameters", "parameter": parameters}
    answer = await server.client.patch("Patient/p", json=body)
    assert answer.status_code == status, answer.text
