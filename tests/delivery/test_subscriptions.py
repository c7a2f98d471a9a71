"""Whose a Subscription is, what it may ask for, and its headers, which no way out shows."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest

from tests.access_http.house import House, told
from tests.rest.server import FHIR_JSON

Json = Any
WORD = "s3cr3tword"
HEADER = f"Authorization: Bearer {WORD}"
CHANNEL = {"type": "rest-hook", "endpoint": "http://127.0.0.1:9/hook", "header": [HEADER]}
ASKED = {
    "resourceType": "Subscription",
    "status": "requested",
    "reason": "suivi",
    "criteria": "Observation?status=final",
    "channel": CHANNEL,
}
ABSENT = "0" * 36


def people(house: House) -> dict[str, Mapping[str, str]]:
    tokens = house.guarded.tokens
    return {
        "petit": house.petit(),
        "martin": house.someone("martin"),
        "patient": tokens.patient("someone"),
        "representative": tokens.representative("someone"),
        "hospital": tokens.hospital("750000001"),
        "another hospital": tokens.hospital("750000002"),
        "administrator": tokens.administrator(),
        "auditor": tokens.auditor(),
        "helper": tokens.helper("someone"),
    }


async def send(house: House, who: Mapping[str, str], method: str, url: str, body: Json = None) -> httpx.Response:
    headers = {**who, "content-type": FHIR_JSON}
    content = None if body is None else json.dumps(body)
    return await house.guarded.client.request(method, url, headers=headers, content=content)


async def subscribe(house: House, who: Mapping[str, str], **changed: Json) -> str:
    answer = await send(house, who, "POST", "Subscription", {**ASKED, **changed})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.mark.parametrize("name", ["petit", "patient", "representative", "hospital"])
async def test_who_subscribes_has_his_own_and_it_is_absent_for_all_others(house: House, name: str) -> None:
    known = people(house)
    own = await subscribe(house, known[name])
    found = await send(house, known[name], "GET", "Subscription?_count=100")
    assert own in [row["resource"]["id"] for row in found.json()["entry"]]
    body = {**ASKED, "id": own}
    others = known.keys() - {name} if name == "petit" else {"petit", "administrator"}
    for other in others:
        who = known[other]
        for method, url, sent in (
            ("GET", "Subscription/{}", None), ("GET", "Subscription/{}/_history/1", None),
            ("GET", "Subscription/{}/_history", None), ("GET", "Subscription?_id={}", None),
            ("GET", "?_type=Subscription&_id={}", None), ("PUT", "Subscription/{}", body),
            ("DELETE", "Subscription/{}", None), ("GET", "Subscription?_id={}&_summary=count", None),
        ):  # fmt: skip
            answers = [
                told(await send(house, who, method, url.replace("{}", key), sent and {**sent, "id": key}), key)
                for key in (own, ABSENT)
            ]
            assert answers[0] == answers[1], (other, method, url)
    assert (await send(house, known[name], "GET", f"Subscription/{own}")).status_code == 200
    assert (await send(house, known[name], "DELETE", f"Subscription/{own}")).status_code == 204


@pytest.mark.parametrize("name", ["administrator", "auditor", "helper"])
async def test_others_do_not_subscribe(house: House, name: str) -> None:
    assert (await send(house, people(house)[name], "POST", "Subscription", ASKED)).status_code == 403


async def test_nobody_subscribes_in_an_emergency(house: House) -> None:
    who = house.petit(purposes=("BTG",), reason="coma")
    assert (await send(house, who, "POST", "Subscription", ASKED)).status_code == 403


async def test_a_scope_is_needed(house: House) -> None:
    who = house.petit(scope="user/Observation.cruds")
    assert (await send(house, who, "POST", "Subscription", ASKED)).status_code == 403


async def test_whose_it_is_cannot_be_said_by_who_writes(house: House) -> None:
    first = await subscribe(house, house.petit())
    shown = (await send(house, house.petit(), "GET", f"Subscription/{first}")).json()
    copied = await subscribe(house, house.someone("martin"), extension=shown["extension"])
    answers = [await send(house, house.petit(), "GET", f"Subscription/{name}") for name in (copied, ABSENT)]
    assert told(answers[0], copied) == told(answers[1], ABSENT)


async def test_headers_are_on_no_way_out(house: House) -> None:
    """Nor for the server itself, which sees all else."""
    both: tuple[tuple[httpx.AsyncClient, Mapping[str, str]], ...] = (
        (house.guarded.client, house.petit()),
        (house.behind.client, {}),
    )
    for client, who in both:
        for answer in [row async for row in _ways_out(client, who)]:
            assert answer.status_code in {200, 201}, answer.text
            assert WORD not in answer.text
    for client, who in both:
        for query in (f"_content={WORD}", f"_text={WORD}", f"_filter=_content eq {WORD}", f"url:contains={WORD}"):
            found = await client.get(f"Subscription?{query}", headers=who)
            assert found.status_code >= 400 or found.json().get("total") == 0, query
    wanted = {"ty": "Subscription"}
    rows = [row for name in ("resource", "history") for row in house.behind.database[name].find(wanted)]
    assert [row["_id"] for row in rows if WORD.encode() in row.get("b", b"")] == []
    assert [row["_id"] for row in rows if WORD in str(row.get("w", ""))] == []
    assert any(WORD in row["au"] for row in rows), "they are kept, apart"


async def _ways_out(client: httpx.AsyncClient, who: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
    headers = {**who, "content-type": FHIR_JSON, "prefer": "return=representation"}
    made = await client.post("Subscription", json=ASKED, headers=headers)
    yield made
    url = f"Subscription/{made.json()['id']}"
    yield await client.put(url, json={**ASKED, "id": url.partition("/")[2]}, headers=headers)
    patch = [{"op": "add", "path": "/channel/header", "value": [HEADER]}]
    yield await client.patch(url, json=patch, headers={**headers, "content-type": "application/json-patch+json"})
    entry = {"resource": ASKED, "request": {"method": "POST", "url": "Subscription"}}
    for kind in ("batch", "transaction"):
        yield await client.post("", json={"resourceType": "Bundle", "type": kind, "entry": [entry]}, headers=headers)
    tag = {"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}
    meta = {"resourceType": "Parameters", "parameter": [tag]}
    yield await client.post(f"{url}/$meta-add", json=meta, headers=headers)
    targets = ("", "/_history", "/_history/1", "/_history/3", "?_elements=channel", "?_format=xml")
    for target in (*(f"{url}{more}" for more in targets), "Subscription", "Subscription/_history", "_history"):
        yield await client.get(target, headers=who)


REFUSED: list[tuple[Json, str]] = [
    ({"channel": {**CHANNEL, "type": "websocket"}}, "Subscription.channel.type"),
    ({"channel": {**CHANNEL, "payload": "text/plain"}}, "Subscription.channel.payload"),
    ({"channel": {"type": "rest-hook"}}, "Subscription.channel.endpoint"),
    ({"channel": {**CHANNEL, "endpoint": "http://169.254.169.254/latest"}}, "Subscription.channel.endpoint"),
    ({"channel": {**CHANNEL, "endpoint": "https://hooks.example.org/"}}, "Subscription.channel.endpoint"),
    ({"channel": {**CHANNEL, "header": ["Good: 1", "Host: inner"]}}, "Subscription.channel.header[1]"),
    ({"criteria": "Observation?nothing=1"}, "Subscription.criteria"),
    ({"criteria": "Observation?subject.name=x"}, "Subscription.criteria"),
    ({"criteria": "Observation?_sort=date"}, "Subscription.criteria"),
    ({"criteria": "Observation?date=%zz"}, "Subscription.criteria"),
    ({"criteria": "AuditEvent?"}, "Subscription.criteria"),
    ({"criteria": "Subscription?status=active"}, "Subscription.criteria"),
    ({"criteria": "Nothing"}, "Subscription.criteria"),
]


@pytest.mark.parametrize(("changed", "element"), REFUSED)
async def test_what_cannot_be_served_is_refused_at_its_element(house: House, changed: Json, element: str) -> None:
    before = house.behind.count(ty="Subscription")
    answer = await send(house, house.petit(), "POST", "Subscription", {**ASKED, **changed})
    assert answer.status_code == 422, answer.text
    assert answer.json()["issue"][0]["expression"] == [element]
    assert house.behind.count(ty="Subscription") == before
