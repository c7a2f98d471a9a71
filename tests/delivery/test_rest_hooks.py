"""Subscriptions by criteria, end to end: a document is stored over HTTP, and an endpoint on this machine is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fhir_dmp.delivery import send
from fhir_dmp.issuer.grant import of_proxy
from fhir_dmp.xml.read import parse_xml
from tests.access_http.house import House, Record, document
from tests.delivery.asking import SECRET, by_criteria, subscribe, until
from tests.delivery.endpoint import Endpoint, open_endpoint
from tests.rest.server import FHIR_JSON, FORMS

Json = Any
AFTER_A_FAILURE = 6_000
"""Milliseconds after which it is tried again."""


def subscription(record: Record, endpoint: Endpoint, payload: str = FHIR_JSON, **changed: Json) -> Json:
    return by_criteria(f"DocumentReference?patient={record.patient}", endpoint, payload, **changed)


async def _write(record: Record, name: str, *labels: str) -> str:
    await record.house.put(document(f"{record.patient}-{name}", record.patient, *labels))
    return f"DocumentReference/{record.patient}-{name}"


async def test_a_new_document_is_put_to_the_endpoint_once_with_the_headers_of_the_channel(
    record: Record, endpoint: Endpoint
) -> None:
    house = record.house
    subscribed = await subscribe(house, house.petit(), subscription(record, endpoint))
    written = await _write(record, "first")
    (got,) = await endpoint.wait_for(1)
    assert got.line == f"PUT /hook/{written} HTTP/1.1"
    assert got.headers["authorization"] == SECRET
    assert got.headers["content-type"] == FHIR_JSON
    assert got.json() == (await house.get(written, house.petit())).json()
    await _write(record, "second")
    assert (await endpoint.wait_for(2))[1].line.endswith("-second HTTP/1.1")
    own = f"AuditEvent?patient={record.patient}&subtype=vread&entity:identifier=Subscription/{subscribed}"
    events = (await house.behind.client.get(own)).json()
    assert events["total"] == 2, "what is sent is in the trace of the record"


async def test_a_payload_may_be_xml_or_nothing_at_all(record: Record, endpoint: Endpoint) -> None:
    house = record.house
    async with open_endpoint() as plain:
        await subscribe(house, house.petit(), subscription(record, endpoint, "application/fhir+xml"))
        await subscribe(house, house.petit(), subscription(record, plain, ""))
        written = await _write(record, "first")
        (got,) = await endpoint.wait_for(1)
        (rung,) = await plain.wait_for(1)
    assert parse_xml(got.body, FORMS)["id"] == written.partition("/")[2]
    assert (rung.line, rung.body) == ("POST /hook HTTP/1.1", b"")
    assert "content-type" not in rung.headers


async def test_what_is_hidden_is_never_notified_and_leaves_no_trace_in_what_is(
    record: Record, endpoint: Endpoint
) -> None:
    house = record.house
    await subscribe(house, house.petit(), subscription(record, endpoint))
    await _write(record, "hidden", "MASQUE_PS")
    await house.put(document(f"{record.patient}-elsewhere", (await house.make_record()).patient))
    shown = await _write(record, "shown")
    (got,) = await endpoint.wait_for(1)
    assert got.line == f"PUT /hook/{shown} HTTP/1.1"


async def test_the_rights_of_the_moment_of_sending_count(record: Record) -> None:
    house = record.house
    async with open_endpoint("500 Oh", "200 OK") as endpoint:
        name = await subscribe(house, house.petit(), subscription(record, endpoint))
        await _write(record, "first")
        await until(lambda: house.behind.count("notice", s=name, n=1) == 1)
        await record.permit(type="deny")
        house.clock.now += AFTER_A_FAILURE
        await until(lambda: house.behind.count("notice", s=name) == 0)
        await record.permit()
        shown = await _write(record, "second")
        assert (await endpoint.wait_for(2))[1].line == f"PUT /hook/{shown} HTTP/1.1"
    # what he did not see is not counted
    await until(lambda: house.behind.count("notice", s=name, num=1) == 1)


async def test_a_representative_whose_time_is_over_is_told_nothing(house: House, endpoint: Endpoint) -> None:
    record = await house.make_record(birthDate="2018-03-04")
    person = {"resourceType": "RelatedPerson", "id": f"{record.patient}-near",
              "patient": {"reference": f"Patient/{record.patient}"}}  # fmt: skip
    await house.put(person)
    grant = of_proxy("representative", record.patient, "test", ("patient/*.cruds",))
    who = house.guarded.tokens.sign(replace(grant, fhir_user=f"RelatedPerson/{person['id']}"))
    name = await subscribe(house, who, subscription(record, endpoint))
    await house.put({**person, "period": {"end": "2024-05-01"}})
    async with open_endpoint() as another:
        await subscribe(house, house.petit(), subscription(record, another))
        await _write(record, "hidden")
        assert await another.wait_for(1), "what was written is known by now"
        await until(lambda: house.behind.count("notice", s=name) == 0)
    await house.put(person)
    await _write(record, "last")
    assert (await endpoint.wait_for(1))[0].line.endswith("-last HTTP/1.1")


async def test_an_endpoint_that_fails_gets_it_again_later_and_in_order(record: Record) -> None:
    house = record.house
    async with open_endpoint("500 Oh", "503 Oh", "200 OK") as endpoint:
        name = await subscribe(house, house.petit(), subscription(record, endpoint))
        for number in (1, 2):
            await _write(record, f"{number}")
        for failed in (1, 2):
            await until(lambda: house.behind.count("notice", s=name, n=failed) == 1)  # noqa: B023  awaited at once
            house.clock.now += 2 * AFTER_A_FAILURE
        got = await endpoint.wait_for(4)
    assert [row.line.split()[1][-2:] for row in got] == ["-1", "-1", "-1", "-2"]
    await until(lambda: house.behind.count("notice", s=name, st="sent") == 2)


async def test_a_slow_endpoint_holds_up_nobody_else(record: Record, endpoint: Endpoint) -> None:
    house = record.house
    async with open_endpoint("") as slow:
        await subscribe(house, house.petit(), subscription(record, slow))
        await subscribe(house, house.petit(), subscription(record, endpoint))
        await _write(record, "1")
        await slow.wait_for(1)
        await _write(record, "2")
        await endpoint.wait_for(2)
        await slow.wait_for(1)


async def test_an_endpoint_that_is_gone_ends_in_error_with_dead_letters(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = record.house
    monkeypatch.setattr(send, "pause_after", lambda attempts: None if attempts >= 2 else 5_000)
    async with open_endpoint() as gone:
        pass
    name = await subscribe(house, house.petit(), subscription(record, gone))
    for number in (1, 2):
        await _write(record, f"{number}")
    await until(lambda: house.behind.count("notice", s=name, n=1) == 1)
    house.clock.now += AFTER_A_FAILURE
    await until(lambda: house.behind.count("notice", s=name, st="dead") == 2)
    shown = (await house.get(f"Subscription/{name}", house.petit())).json()
    assert shown["status"] == "error"
    assert "endpoint" in shown["error"]


async def test_a_redirection_is_not_followed(record: Record, endpoint: Endpoint) -> None:
    house = record.house
    async with open_endpoint(f"307 Elsewhere\r\nLocation: {endpoint.url}") as moved:
        name = await subscribe(house, house.petit(), subscription(record, moved))
        await _write(record, "1")
        await moved.wait_for(1)
        await until(lambda: house.behind.count("notice", s=name, n=1) == 1)
    assert endpoint.got == []


async def test_a_subscription_that_is_off_or_ended_or_deleted_is_told_nothing(
    record: Record, endpoint: Endpoint
) -> None:
    house = record.house
    off = await subscribe(house, house.petit(), subscription(record, endpoint))
    asked = {**subscription(record, endpoint), "id": off, "status": "off"}
    await _put(house, asked)
    await subscribe(house, house.petit(), subscription(record, endpoint, end="2020-01-01T00:00:00Z"))
    deleted = await subscribe(house, house.petit(), subscription(record, endpoint))
    assert (await house.guarded.client.delete(f"Subscription/{deleted}", headers=house.petit())).status_code == 204
    async with open_endpoint() as last:
        await subscribe(house, house.petit(), subscription(record, last))
        await _write(record, "1")
        await last.wait_for(1)
    await until(lambda: house.behind.count("notice", st="due", s={"$in": [off, deleted]}) == 0)
    assert endpoint.got == []


async def test_headers_stay_for_the_same_endpoint_and_never_go_to_another(record: Record, endpoint: Endpoint) -> None:
    house = record.house
    name = await subscribe(house, house.petit(), subscription(record, endpoint))
    shown = (await house.get(f"Subscription/{name}", house.petit())).json()
    await _put(house, {**shown, "reason": "still"})
    await _write(record, "1")
    assert (await endpoint.wait_for(1))[0].headers["authorization"] == SECRET
    async with open_endpoint() as other:
        await _put(house, {**shown, "channel": {**shown["channel"], "endpoint": other.url}})
        await _write(record, "2")
        assert "authorization" not in (await other.wait_for(1))[0].headers


async def _put(house: House, asked: Json) -> None:
    headers = {**house.petit(), "content-type": FHIR_JSON}
    answer = await house.guarded.client.put(f"Subscription/{asked['id']}", json=asked, headers=headers)
    assert answer.status_code == 200, answer.text
