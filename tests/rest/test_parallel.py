"""Requests at once: what each sees is as if they had come one after another (docs/decisions/0008)."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from itertools import pairwise
from typing import Any

import httpx

from tests.rest.server import FHIR_JSON, Server

Json = Any

HEADERS = {"content-type": FHIR_JSON}
PATCH = {"content-type": "application/json-patch+json"}


def _patient(value: str, **more: Json) -> Json:
    return {"resourceType": "Patient", "identifier": [{"system": "urn:test", "value": value}], **more}


def _transaction(*entries: Json) -> Json:
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


def _statuses(responses: list[httpx.Response]) -> Counter[int]:
    return Counter(response.status_code for response in responses)


async def test_of_two_updates_with_the_same_if_match_exactly_one_is_done(client: httpx.AsyncClient) -> None:
    for _ in range(5):
        value = uuid.uuid4().hex
        await client.put(f"Patient/{value}", json=_patient(value, id=value), headers=HEADERS)
        sent = [
            client.put(
                f"Patient/{value}",
                json=_patient(value, id=value, gender=gender),
                headers={**HEADERS, "if-match": 'W/"1"'},
            )
            for gender in ("male", "female")
        ]
        responses = await asyncio.gather(*sent)
        assert _statuses(responses) == {200: 1, 412: 1}
        winner = next(response for response in responses if response.status_code == 200)
        assert (await client.get(f"Patient/{value}")).content == winner.content


async def test_of_many_updates_at_once_none_is_lost(client: httpx.AsyncClient) -> None:
    value = uuid.uuid4().hex
    sent = [
        client.put(f"Patient/{value}", json=_patient(value, id=value, name=[{"text": str(n)}]), headers=HEADERS)
        for n in range(12)
    ]
    responses = await asyncio.gather(*sent)
    assert _statuses(responses) == {201: 1, 200: 11}
    assert sorted(int(response.json()["meta"]["versionId"]) for response in responses) == list(range(1, 13))
    history = (await client.get(f"Patient/{value}/_history")).json()
    assert [row["resource"]["meta"]["versionId"] for row in history["entry"]] == [str(n) for n in range(12, 0, -1)]
    assert len({row["resource"]["name"][0]["text"] for row in history["entry"]}) == 12
    times = [row["resource"]["meta"]["lastUpdated"] for row in history["entry"]]
    assert times == sorted(set(times), reverse=True)


async def test_patches_at_once_all_apply(client: httpx.AsyncClient) -> None:
    value = uuid.uuid4().hex
    await client.put(f"Patient/{value}", json=_patient(value, id=value, name=[{"given": ["x"]}]), headers=HEADERS)
    sent = [
        client.patch(
            f"Patient/{value}", json=[{"op": "add", "path": "/name/0/given/-", "value": str(n)}], headers=PATCH
        )
        for n in range(8)
    ]
    assert _statuses(await asyncio.gather(*sent)) == {200: 8}
    given = (await client.get(f"Patient/{value}")).json()["name"][0]["given"]
    assert sorted(given) == sorted(["x", *map(str, range(8))])


async def test_conditional_creates_at_once_make_one_resource(client: httpx.AsyncClient) -> None:
    value = uuid.uuid4().hex
    headers = {**HEADERS, "if-none-exist": f"identifier=urn:test|{value}"}
    responses = await asyncio.gather(
        *(client.post("Patient", json=_patient(value), headers=headers) for _ in range(10))
    )
    assert _statuses(responses) == {201: 1, 200: 9}
    assert len({response.json()["id"] for response in responses}) == 1
    assert (await client.get(f"Patient?identifier={value}")).json()["total"] == 1


async def test_conditional_updates_at_once_make_one_resource(client: httpx.AsyncClient) -> None:
    value = uuid.uuid4().hex
    sent = [client.put(f"Patient?identifier={value}", json=_patient(value), headers=HEADERS) for _ in range(8)]
    assert _statuses(await asyncio.gather(*sent)) == {201: 1, 200: 7}
    found = (await client.get(f"Patient?identifier={value}")).json()
    assert (found["total"], found["entry"][0]["resource"]["meta"]["versionId"]) == (1, "8")


async def test_conditional_creates_in_transactions_at_once_make_one_resource(client: httpx.AsyncClient) -> None:
    value = uuid.uuid4().hex
    bundle = _transaction(
        {
            "resource": _patient(value),
            "request": {"method": "POST", "url": "Patient", "ifNoneExist": f"identifier={value}"},
        },
        {
            "resource": _patient(f"{value}-too"),
            "request": {"method": "POST", "url": "Patient", "ifNoneExist": f"identifier={value}-too"},
        },
    )
    alone = {**HEADERS, "if-none-exist": f"identifier={value}"}
    sent = [client.post("", json=bundle, headers=HEADERS) for _ in range(6)]
    responses = await asyncio.gather(*sent, client.post("Patient", json=_patient(value), headers=alone))
    assert {response.status_code for response in responses} <= {200, 201}
    for criteria in (value, f"{value}-too"):
        assert (await client.get(f"Patient?identifier={criteria}")).json()["total"] == 1


async def test_transactions_that_touch_the_same_resources_all_succeed(server: Server) -> None:
    ids = [f"{uuid.uuid4().hex}-{n}" for n in range(3)]

    def bundle(turn: int) -> Json:
        rows = [
            {"resource": _patient(one, id=one), "request": {"method": "PUT", "url": f"Patient/{one}"}} for one in ids
        ]
        return _transaction(*rows[turn % 3 :], *rows[: turn % 3])

    responses = await asyncio.gather(
        *(server.client.post("", json=bundle(turn), headers=HEADERS) for turn in range(12))
    )
    assert _statuses(responses) == {200: 12}
    for one in ids:
        assert (await server.client.get(f"Patient/{one}")).json()["meta"]["versionId"] == "12"
        assert server.count("history", r=f"Patient/{one}") == 11


async def test_deletes_and_updates_at_once_leave_one_history_without_gap(client: httpx.AsyncClient) -> None:
    value = uuid.uuid4().hex
    put = {"url": f"Patient/{value}", "json": _patient(value, id=value), "headers": HEADERS}
    sent = [client.delete(f"Patient/{value}") if n % 2 else client.put(**put) for n in range(12)]
    responses = await asyncio.gather(*sent)
    assert {response.status_code for response in responses} <= {200, 201, 204}
    history = (await client.get(f"Patient/{value}/_history")).json()
    versions = [int(row["response"]["etag"].strip('W/"')) for row in history["entry"]]
    assert versions == list(range(len(versions), 0, -1))
    methods = [row["request"]["method"] for row in history["entry"]]
    assert all(pair != ("DELETE", "DELETE") for pair in pairwise(methods))


async def test_readers_never_see_half_a_transaction(client: httpx.AsyncClient) -> None:
    value = uuid.uuid4().hex
    rows = [{"resource": _patient(value), "request": {"method": "POST", "url": "Patient"}} for _ in range(20)]
    writing = asyncio.create_task(client.post("", json=_transaction(*rows), headers=HEADERS))
    totals = set()
    while not writing.done():
        totals.add((await client.get(f"Patient?identifier={value}&_summary=count")).json()["total"])
    assert (await writing).status_code == 200
    assert totals <= {0, 20}
    assert (await client.get(f"Patient?identifier={value}&_summary=count")).json()["total"] == 20


async def test_a_batch_of_updates_of_one_resource_does_them_all(client: httpx.AsyncClient) -> None:
    value = uuid.uuid4().hex
    row = {"resource": _patient(value, id=value), "request": {"method": "PUT", "url": f"Patient/{value}"}}
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [row] * 10}
    response = await client.post("", json=bundle, headers=HEADERS)
    statuses = Counter(entry["response"]["status"][:3] for entry in response.json()["entry"])
    assert statuses == {"201": 1, "200": 9}
    assert (await client.get(f"Patient/{value}")).json()["meta"]["versionId"] == "10"
