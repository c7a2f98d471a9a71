"""$dmp-resend: dead letters are sent again, in order, to whoever may see then what they are about."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from fhir_dmp.delivery import send
from tests.access_http.house import Headers, House, Record, document, told
from tests.delivery.asking import by_criteria, by_topic, subscribe, until
from tests.delivery.endpoint import Endpoint, open_endpoint
from tests.rest.server import FHIR_JSON

Json = Any


@pytest.fixture(autouse=True)
def _given_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "pause_after", lambda attempts: None)  # noqa: ARG005  as the function


async def _write(record: Record, name: str, *labels: str) -> str:
    await record.house.put(document(f"{record.patient}-{name}", record.patient, *labels))
    return f"DocumentReference/{record.patient}-{name}"


async def _resend(house: House, who: Headers, name: str) -> httpx.Response:
    return await house.guarded.client.post(f"Subscription/{name}/$dmp-resend", headers=who)


async def _change(house: House, name: str, **changed: Json) -> None:
    shown = (await house.get(f"Subscription/{name}", house.petit())).json()
    headers = {**house.petit(), "content-type": FHIR_JSON}
    answer = await house.guarded.client.put(f"Subscription/{name}", json={**shown, **changed}, headers=headers)
    assert answer.status_code == 200, answer.text


async def _fall_into_error(record: Record, endpoint: Endpoint, asked: Json, *written: str) -> str:
    """Subscribes, writes documents that the endpoint does not take, and waits for the dead letters."""
    house = record.house
    name = await subscribe(house, house.petit(), asked)
    if asked["channel"].get("_payload"):
        await endpoint.wait_for(1)
    await until(lambda: house.behind.count(_id=f"Subscription/{name}") == 1)
    await until(lambda: _status(house, name) == "active")
    endpoint.answers = ["500 Oh"]
    for number, document_name in enumerate(written, 1):
        await _write(record, document_name)
        await until(lambda: house.behind.count("notice", s=name, st="dead") == number)  # noqa: B023  awaited at once
    assert _status(house, name) == "error"
    endpoint.answers, endpoint.got[:] = ["200 OK"], []
    return name


def _status(house: House, name: str) -> str:
    found = house.behind.database["resource"].find_one({"_id": f"Subscription/{name}"}) or {}
    return next((code for code in ("active", "requested", "error", "off") if f'"status":"{code}"' in _text(found)), "")


def _text(found: Json) -> str:
    return bytes(found.get("b", b"")).decode()


def by_patient(record: Record, endpoint: Endpoint) -> Json:
    return by_criteria(f"DocumentReference?patient={record.patient}", endpoint)


@pytest.mark.parametrize("who", ["subscriber", "administrator"])
async def test_what_an_endpoint_did_not_take_is_sent_again_when_it_is_asked_for(
    record: Record, endpoint: Endpoint, who: str
) -> None:
    house = record.house
    asking = house.petit() if who == "subscriber" else house.guarded.tokens.administrator()
    name = await _fall_into_error(record, endpoint, by_patient(record, endpoint), "1")
    answer = await _resend(house, asking, name)
    assert answer.status_code == 200, answer.text
    assert answer.json()["parameter"] == [{"name": "status", "valueCode": "active"}]
    (got,) = await endpoint.wait_for(1)
    assert got.line.startswith(f"PUT /hook/DocumentReference/{record.patient}-1 ")
    assert got.headers["authorization"], "the headers of the channel stay"
    await until(lambda: house.behind.count("notice", s=name, st="sent", gone={"$exists": True}) == 1)
    assert (await house.get(f"Subscription/{name}", house.petit())).json()["status"] == "active"
    assert (await _resend(house, asking, name)).status_code == 200
    await _write(record, "2")
    assert (await endpoint.wait_for(2))[1].line.startswith(f"PUT /hook/DocumentReference/{record.patient}-2 ")


async def test_of_a_topic_the_endpoint_first_answers_a_handshake_and_then_gets_all_in_order(
    record: Record, endpoint: Endpoint
) -> None:
    house = record.house
    asked = by_topic("new-document", endpoint, f"DocumentReference?patient={record.patient}")
    name = await _fall_into_error(record, endpoint, asked, "1")
    answer = await _resend(house, house.petit(), name)
    assert answer.json()["parameter"] == [{"name": "status", "valueCode": "requested"}]
    got = await endpoint.wait_for(2)
    kinds = [row.json()["entry"][0]["resource"]["parameter"][3]["valueCode"] for row in got]
    assert kinds == ["handshake", "event-notification"]
    assert f"{record.patient}-1" in got[1].body.decode()
    await _write(record, "2")
    assert f"{record.patient}-2" in (await endpoint.wait_for(3))[2].body.decode()
    await until(lambda: house.behind.count("notice", s=name, num=2) == 1)


async def test_the_rights_of_the_moment_of_sending_again_count(record: Record, endpoint: Endpoint) -> None:
    house = record.house
    name = await _fall_into_error(record, endpoint, by_patient(record, endpoint), "1")
    await record.permit(type="deny")
    assert (await _resend(house, house.petit(), name)).status_code == 200
    await until(lambda: house.behind.count("notice", s=name) == 0)
    assert endpoint.got == []


async def test_a_copy_is_not_overwritten_by_an_older_version(record: Record, endpoint: Endpoint) -> None:
    house = record.house
    name = await _fall_into_error(record, endpoint, by_patient(record, endpoint), "1")
    await _change(house, name, status="requested")
    await _write(record, "1")
    (got,) = await endpoint.wait_for(1)
    assert got.json()["meta"]["versionId"] == "2"
    await until(lambda: house.behind.count("notice", s=name, st="sent") == 1)
    await _resend(house, house.petit(), name)
    await until(lambda: house.behind.count("notice", s=name, st={"$ne": "sent"}) == 0)
    await endpoint.wait_for(1)


async def test_what_comes_in_while_a_subscription_falls_into_error_is_a_dead_letter_too(
    record: Record, endpoint: Endpoint
) -> None:
    """The worker that wrote the status was killed before it buried what was left."""
    house = record.house
    name = await _fall_into_error(record, endpoint, by_patient(record, endpoint), "1")
    notices = house.behind.database["notice"]
    notices.update_one({"s": name, "st": "dead"}, {"$set": {"st": "due"}, "$unset": {"gone": ""}})
    await until(lambda: house.behind.count("notice", s=name, st="dead") == 1)
    assert endpoint.got == []


@pytest.mark.parametrize("changed", [{"status": "off"}, {"end": "2020-01-01T00:00:00Z"}])
async def test_a_subscription_that_is_off_or_over_is_not_taken_up(
    record: Record, endpoint: Endpoint, changed: Json
) -> None:
    house = record.house
    name = await _fall_into_error(record, endpoint, by_patient(record, endpoint), "1")
    await _change(house, name, **changed)
    answer = await _resend(house, house.petit(), name)
    assert answer.status_code == 409, answer.text
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "subscription-over"
    assert house.behind.count("notice", s=name, st="dead") == 1


async def test_to_anyone_else_there_is_no_such_subscription(record: Record) -> None:
    house = record.house
    async with open_endpoint() as endpoint:
        name = await subscribe(house, house.petit(), by_patient(record, endpoint))
    tokens = house.guarded.tokens
    narrow = house.petit(scope="user/*.rs")
    for who in (house.someone("martin"), tokens.patient(record.patient), tokens.auditor(), narrow):
        answers = [told(await _resend(house, who, key), key) for key in (name, "0" * 36)]
        assert answers[0] == answers[1]
        assert answers[0].status in {403, 404}
    absent = await _resend(house, tokens.administrator(), "0" * 36)
    assert absent.status_code == 404
    assert (await house.guarded.client.post(f"Subscription/{name}/$dmp-resend")).status_code == 401
