"""What a transaction of many entries costs grows with them, and not with their square."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo import MongoClient

from fhir_dmp.interactions import attachments, depositing
from tests.rest.server import Server, run_server

Json = Any
MANY = 12


@pytest.fixture
async def server(mongodb_uri: str, mongodb_client: MongoClient[Json]) -> AsyncIterator[Server]:
    async with run_server(mongodb_uri, mongodb_client) as running:
        yield running


def _document(number: int, **rest: Json) -> Json:
    content = [{"attachment": {"contentType": "text/plain", "title": f"{number}"}}]
    return {"resourceType": "DocumentReference", "status": "current", "content": content, **rest}


def _entry(method: str, url: str, resource: Json = None) -> Json:
    request = {"method": method, "url": url}
    return {"request": request, "resource": resource} if resource else {"request": request}


async def _transact(server: Server, *entries: Json) -> list[str]:
    answer = await server.client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 200, answer.text
    rows = [row["response"].get("location", "") for row in answer.json()["entry"]]
    return [row.partition("/fhir/")[2].partition("/_history")[0] for row in rows]


def _count_calls(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[object]:
    called: list[object] = []
    original = getattr(module, name)

    def counted(*given: object) -> object:
        called.append(given)
        return original(*given)

    monkeypatch.setattr(module, name, counted)
    return called


async def test_each_of_many_replaced_documents_is_looked_at_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = await _transact(
        server, *(_entry("POST", "DocumentReference", _document(number)) for number in range(MANY))
    )
    data = b64encode(b'[{"op":"replace","path":"/status","value":"superseded"}]').decode()
    patch = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}
    replacing = [
        _document(number, relatesTo=[{"code": "replaces", "target": {"reference": url}}])
        for number, url in enumerate(former)
    ]
    called = _count_calls(monkeypatch, depositing, "_is_superseding")
    await _transact(
        server,
        *(_entry("POST", "DocumentReference", document) for document in replacing),
        *(_entry("PATCH", url, patch) for url in former),
    )
    assert len(called) == 2 * MANY
    for url in former:
        assert (await server.client.get(url)).json()["meta"]["versionId"] == "2", "by its own entry alone"


async def test_each_of_many_documents_is_asked_once_which_binaries_it_cites(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = {"resourceType": "Binary", "contentType": "text/plain", "data": "eA=="}
    binaries = await _transact(server, *(_entry("POST", "Binary", binary) for _ in range(MANY)))
    called = _count_calls(monkeypatch, attachments, "cited_by")
    await _transact(
        server,
        *(_entry("POST", "DocumentReference", _document(number)) for number in range(MANY)),
        *(_entry("DELETE", url) for url in binaries),
    )
    assert len(called) == MANY


@pytest.mark.parametrize("subject", [{"display": "Ana"}, {"reference": "http://testserver/fhir/Patient/ana"}])
async def test_one_document_does_not_come_twice_in_a_transaction(server: Server, subject: Json) -> None:
    """However its patient is referred to."""
    assert (await server.client.put("Patient/ana", json={"resourceType": "Patient", "id": "ana"})).status_code == 201
    name = {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3"}
    reference = {"reference": "Patient/ana"}
    both = [_document(1, masterIdentifier=name, subject=row) for row in (reference, {**reference, **subject})]
    entries = [_entry("POST", "DocumentReference", document) for document in both]
    answer = await server.client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert (answer.status_code, answer.json()["issue"][0]["details"]["coding"][0]["code"]) == (
        400,
        "transaction-duplicate",
    ), answer.text
