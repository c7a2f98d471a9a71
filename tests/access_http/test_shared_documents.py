"""Of a shared document its author changes the metadata that PDSm lets him, by whatever way, and nothing else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import MongoClient

from fhir_dmp.record.metadata_update import PDSM
from tests.access_http.house import Headers, House, Record, document, open_house
from tests.rest.server import FHIR_JSON

Json = Any
JSON_PATCH = "application/json-patch+json"


@pytest.fixture(scope="module")
async def house(mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]) -> AsyncIterator[House]:
    # a claim is what the rule goes by: whether the document is right is not what is tested here
    async with open_house(mongodb_uri, mongodb_client, VALIDATION="core") as opened:
        yield opened


@pytest.fixture
async def record(house: House) -> Record:
    return await house.make_record()


async def share(record: Record) -> tuple[Json, Headers]:
    """A document of PDSm, as it is stored, and its author."""
    profile = f"{PDSM}pdsm-comprehensive-document-reference"
    shared = document(f"{record.patient}-shared", record.patient, meta={"profile": [profile]})
    await record.house.put(shared)
    return shared, record.house.someone("auteur")


async def patch(record: Record, name: str, who: Headers, *operations: Json) -> Any:
    headers = {**who, "content-type": JSON_PATCH}
    content = json.dumps(operations)
    return await record.house.guarded.client.patch(f"DocumentReference/{name}", content=content, headers=headers)


async def test_a_patch_changes_what_pdsm_allows(record: Record) -> None:
    shared, author = await share(record)
    label = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}]}
    operations = [{"op": "add", "path": "/securityLabel", "value": [label]}]
    answer = await patch(record, shared["id"], author, *operations)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("operation", [
    {"op": "replace", "path": "/description", "value": "another"},
    {"op": "remove", "path": "/meta/profile"},
    {"op": "replace", "path": "/content/0/attachment/title", "value": "another"},
], ids=lambda operation: operation["path"])  # fmt: skip
async def test_anything_else_is_no_update_of_metadata(record: Record, operation: Json) -> None:
    shared, author = await share(record)
    answer = await patch(record, shared["id"], author, operation)
    assert answer.status_code == 405, answer.text
    element = operation["path"].split("/")[1]
    assert answer.json()["issue"][0]["expression"] == [f"DocumentReference.{element}"]
    body = {**shared, "description": "another"}
    headers = {**author, "content-type": FHIR_JSON}
    url = f"DocumentReference/{shared['id']}"
    replaced = await record.house.guarded.client.put(url, json=body, headers=headers)
    assert replaced.status_code == 405
    assert record.house.guarded.count("history", r=url) == 0


async def test_who_does_not_see_the_document_is_not_told_what_may_change(record: Record) -> None:
    shared, _ = await share(record)
    answer = await patch(
        record, shared["id"], record.house.someone("inconnu"), {"op": "remove", "path": "/description"}
    )
    assert answer.status_code == 404
