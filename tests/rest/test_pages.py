"""Pages while others write, estimated totals, and queries that take too long: on a few thousand resources."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any
from uuid import UUID

import pytest
from pymongo import MongoClient

from fhir_dmp.interactions import history, search
from fhir_dmp.resource import Identity, build_version
from fhir_dmp.search.index import Indexer
from fhir_dmp.store.mongo.document import build_current
from fhir_dmp.store.mongo.plan import SAMPLED, SAMPLED_PART
from tests.audit.trail import NOW
from tests.rest.server import FHIR_JSON, Server, run_both, run_server
from tests.strategies.search import SPACE

Json = Any
Both = tuple[Server, Server]

VISIBLE, HIDDEN = 4000, 2000
INDEXER = Indexer(SPACE)
WEIGHT = {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}


def build_weight(chance: Random, number: int, patient: str) -> Json:
    """The document of a weight of a patient."""
    resource = {
        "resourceType": "Observation",
        "status": "final",
        "code": WEIGHT,
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": f"20{number % 24:02}-0{number % 9 + 1}-11",
        "valueQuantity": {"value": number % 700, "code": "kg"},
    }
    identity = Identity("Observation", str(UUID(int=chance.getrandbits(128), version=4)))
    stamped, version = build_version(resource, identity, None, "POST", NOW)
    return build_current(version, INDEXER.facts(stamped))


@pytest.fixture(scope="module")
async def both(mongodb_uri: str, mongodb_client: MongoClient[Json]) -> AsyncIterator[Both]:
    """A server that sees everything and one that needs tokens, on the same records of two patients."""
    async with run_both(mongodb_uri, mongodb_client) as (behind, guarded):
        for patient in ("seen", "other"):
            await behind.client.put(
                f"Patient/{patient}", json=_patient(patient, 1), headers={"content-type": FHIR_JSON}
            )
        chance = Random(7)
        rows = [build_weight(chance, number, "seen") for number in range(VISIBLE)]
        rows += [build_weight(chance, number, "other") for number in range(HIDDEN)]
        behind.database["resource"].insert_many(rows)
        yield behind, guarded


def _patient(patient_id: str, number: int) -> Json:
    name = [{"family": f"Page{number % 7}", "given": [f"G{number % 3}", f"H{number % 5}"]}]
    born = {"birthDate": f"19{number % 60 + 10}-01-02"} if number % 4 else {}
    system = "urn:oid:1.2.250.1.213.1.4.8"
    return {"resourceType": "Patient", "id": patient_id, "identifier": [{"system": system, "value": patient_id}],
            "active": True, "name": name, "gender": "female", **born}  # fmt: skip


async def _walk(server: Server, url: str, relation: str) -> list[list[str]]:
    """The ids of each page, from a URL on by the links of one relation."""
    pages = []
    while url:
        bundle = (await server.client.get(url)).json()
        pages.append([entry["resource"]["id"] for entry in bundle.get("entry", ())])
        url = next((link["url"] for link in bundle["link"] if link["relation"] == relation), "")
        await asyncio.sleep(0)
    return pages


async def _links(server: Server, url: str) -> dict[str, str]:
    return {link["relation"]: link["url"] for link in (await server.client.get(url)).json()["link"]}


async def _last_page(server: Server, url: str) -> str:
    while True:
        links = await _links(server, url)
        if "next" not in links:
            return links["self"]
        url = links["next"]


@pytest.mark.parametrize(
    "sort", ["", "_id", "-birthdate", "family,-given", "-_lastUpdated", "gender,-family,birthdate"]
)
async def test_pages_lose_and_repeat_no_row_while_others_write(server: Server, sort: str) -> None:
    """The rows that stand still: those that are written meanwhile may be on a page or not."""
    unique = f"walk-{sort.replace(',', '.').replace('_', '')}"
    still = [f"{unique}-s{number}" for number in range(23)]
    for number, name in enumerate(still):
        await _put(server, name, number)
    writing = asyncio.create_task(_keep_writing(server, unique))
    try:
        order = f"&_sort={sort}" if sort else ""
        url = f"Patient?family=Page&_count=4{order}"
        forward = [row for page in await _walk(server, url, "next") for row in page if row in still]
        back_pages = await _walk(server, await _last_page(server, url), "previous")
        backward = [row for page in reversed(back_pages) for row in page if row in still]
    finally:
        writing.cancel()
    assert sorted(forward) == sorted(still)
    assert backward == forward


async def _put(server: Server, name: str, number: int) -> None:
    response = await server.client.put(
        f"Patient/{name}", json=_patient(name, number), headers={"content-type": FHIR_JSON}
    )
    assert response.status_code in {200, 201}, response.text


async def _keep_writing(server: Server, unique: str) -> None:
    chance = Random(unique)
    while True:
        name = f"{unique}-{chance.choice('amz')}{chance.randrange(12)}"
        if chance.random() < 0.3:
            await server.client.delete(f"Patient/{name}")
        else:
            await _put(server, name, chance.randrange(400))


async def test_a_first_link_leads_to_the_start(server: Server) -> None:
    for number in range(3):
        await _put(server, f"first-{number}", number)
    url = "Patient?_id=first-0,first-1,first-2&_count=1"
    links = await _links(server, url)
    second = await _links(server, links["next"])
    assert second["first"] == links["self"]
    assert second["self"] == links["next"]


async def test_an_estimate_is_near_and_made_of_what_the_requester_may_see(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "COUNTED_EXACTLY", 1000)
    behind, guarded = both
    headers = guarded.tokens.patient("seen")
    query = "Observation?code=29463-7&_count=1&_total="
    totals = [
        (await server.client.get(f"{query}{kind}", headers=given)).json().get("total")
        for server, given in ((behind, {}), (guarded, headers))
        for kind in ("accurate", "estimate")
    ]
    everything, estimated, visible, estimated_visible = totals
    assert (everything, visible) == (VISIBLE + HIDDEN, VISIBLE)
    assert abs(estimated - everything) < everything * 0.5
    assert abs(estimated_visible - visible) < visible * 0.5
    sample = {"$regex": f"^Observation/{SAMPLED}"}
    assert estimated == max(1001, SAMPLED_PART * behind.count(_id=sample))
    assert estimated_visible == max(1001, SAMPLED_PART * behind.count(_id=sample, pt="seen"))
    without = (await guarded.client.get(query.removesuffix("&_total="), headers=headers)).json()
    assert "total" not in without


@pytest.mark.parametrize(("count", "limit", "totals"), [("1", 4, [4, 1]), ("1", 3, [None, 1]), ("0", 3, [4, 1])])
async def test_a_history_counts_so_far_of_what_the_requester_may_see(
    both: Both, monkeypatch: pytest.MonkeyPatch, count: str, limit: int, totals: list[int | None]
) -> None:
    monkeypatch.setattr(history, "COUNTED", limit)
    behind, guarded = both
    for number in range(4):
        await _put(behind, f"counted-{count}-{limit}", number)
    found = []
    for url, server, headers in (
        (f"Patient/counted-{count}-{limit}/_history?_count={count}", behind, {}),
        (f"Patient/_history?_count={count}", guarded, guarded.tokens.patient("seen")),
    ):
        answer = (await server.client.get(url, headers=headers)).json()
        assert bool(answer.get("entry")) is (count == "1")
        found.append(answer.get("total"))
    assert found == totals


async def test_a_query_that_takes_too_long_is_refused_with_the_reason(
    both: Both, mongodb_uri: str, mongodb_client: MongoClient[Json]
) -> None:
    name = both[0].database.name
    async with run_server(mongodb_uri, mongodb_client, DATABASE=name, QUERY_TIME="0.002") as hurried:
        slow = await hurried.client.get("Observation?_sort=value-quantity,-code")
        assert slow.status_code == 422
        issue = slow.json()["issue"][0]
        assert (issue["code"], issue["details"]["coding"][0]["code"]) == ("too-costly", "query-timeout")
        assert (await hurried.client.get("Patient/seen")).status_code == 200
