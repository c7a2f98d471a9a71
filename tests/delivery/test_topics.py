"""Subscriptions to topics, as R5's are written in R4: handshake, events, heartbeats, $status and $events."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_dmp.subscription.topics import TOPICS
from tests.access_http.house import Headers, House, Record, document
from tests.delivery.asking import TOPIC, by_topic, subscribe, until
from tests.delivery.endpoint import Endpoint, Got, open_endpoint
from tests.rest.server import FHIR_JSON, read_by_another

Json = Any


def told(got: Got) -> tuple[dict[str, Json], list[Json], list[Json]]:
    """The values of a notification's status, its events, and the entries behind it."""
    bundle = got.json()
    read_by_another(bundle)
    first, *entries = bundle["entry"]
    rows = first["resource"]["parameter"]
    events = [
        {part["name"]: _value(part) for part in row["part"]} for row in rows if row["name"] == "notification-event"
    ]
    return {row["name"]: _value(row) for row in rows if "part" not in row}, events, entries


def _value(row: Json) -> Json:
    return next(value for key, value in row.items() if key.startswith("value"))


async def _activate(house: House, who: Headers, asked: Json, endpoint: Endpoint) -> str:
    """Subscribes, and waits until the handshake has made it active."""
    name = await subscribe(house, who, asked)
    (got, *_) = await endpoint.wait_for(1)
    status, events, entries = told(got)
    assert (status["type"], status["topic"], status["status"]) == ("handshake", asked["criteria"], "requested")
    assert (status["events-since-subscription-start"], events, entries) == ("0", [], [])
    await until(lambda: house.behind.count(_id=f"Subscription/{name}", v=2) == 1)
    return name


async def _write(record: Record, name: str, *labels: str) -> str:
    await record.house.put(document(f"{record.patient}-{name}", record.patient, *labels))
    return f"DocumentReference/{record.patient}-{name}"


@pytest.mark.parametrize("content", ["empty", "id-only", "full-resource"])
async def test_a_new_document_is_told_with_as_much_as_was_asked_for(
    record: Record, endpoint: Endpoint, content: str
) -> None:
    house = record.house
    asked = by_topic("new-document", endpoint, f"DocumentReference?patient={record.patient}", content=content)
    name = await _activate(house, house.petit(), asked, endpoint)
    await house.put(document("elsewhere", (await house.make_record()).patient))
    await _write(record, "hidden", "MASQUE_PS")
    written = await _write(record, "shown")
    await _write(record, "shown")  # its next version is no new document
    last = await _write(record, "last")
    _, first, second = await endpoint.wait_for(3)
    status, events, entries = told(first)
    assert status["subscription"]["reference"].endswith(f"/Subscription/{name}")
    assert (status["type"], status["events-since-subscription-start"]) == ("event-notification", "1")
    assert [event["event-number"] for event in events] == ["1"]
    assert (written in first.body.decode()) == (content != "empty")
    assert [row.get("resource", {}).get("id") for row in entries] == {
        "empty": [], "id-only": [None], "full-resource": [written.partition("/")[2]],
    }[content]  # fmt: skip
    assert told(second)[0]["events-since-subscription-start"] == "2"
    assert (last in second.body.decode()) == (content != "empty")


async def test_the_patient_is_told_that_a_consent_changed_and_the_professional_is_not(
    record: Record, endpoint: Endpoint
) -> None:
    house, patient = record.house, record.house.guarded.tokens.patient(record.patient)
    async with open_endpoint() as other:
        unheard = await _activate(house, house.petit(), by_topic("consent-changed", other), other)
        asked = by_topic("consent-changed", endpoint, f"Consent?patient={record.patient}")
        await _activate(house, patient, asked, endpoint)
        consent = f"Consent/{record.patient}-consent"
        await record.permit(type="deny")
        await endpoint.wait_for(2)
        assert (await house.behind.client.delete(consent)).status_code == 204
        got = await endpoint.wait_for(3)
        await until(lambda: house.behind.count("notice", s=unheard, st="due") == 0)
        assert len(other.got) == 1
    for row, method in zip(got[1:], ("PUT", "DELETE"), strict=True):
        (entry,) = told(row)[2]
        assert (entry["request"]["method"], entry["request"]["url"]) == (method, consent)


async def test_the_patient_is_told_of_an_emergency_access(record: Record, endpoint: Endpoint) -> None:
    house, patient = record.house, record.house.guarded.tokens.patient(record.patient)
    await _activate(house, patient, by_topic("emergency-access", endpoint, content="full-resource"), endpoint)
    emergency = house.someone("inconnu", purposes=("BTG",), reason="Patient inconscient")
    assert (await house.get(f"DocumentReference/{record.open}", emergency)).status_code == 200
    _, got = await endpoint.wait_for(2)
    (entry,) = told(got)[2]
    assert entry["resource"]["subject"]["reference"] == f"Patient/{record.patient}"
    assert "Patient inconscient" in entry["resource"]["payload"][0]["contentString"]


async def test_an_endpoint_that_does_not_shake_hands_is_sent_nothing(record: Record) -> None:
    house = record.house
    async with open_endpoint("500 Oh") as endpoint:
        name = await subscribe(house, house.petit(), by_topic("new-document", endpoint))
        await until(lambda: house.behind.count("notice", s=name, n=1) == 1)
        await _write(record, "1")
        await endpoint.wait_for(1)
        assert (await house.get(f"Subscription/{name}", house.petit())).json()["status"] == "requested"
        assert house.behind.count("notice", s=name) == 1


async def test_who_asks_for_a_heartbeat_hears_one_in_every_silence(record: Record, endpoint: Endpoint) -> None:
    house = record.house
    await _activate(house, house.petit(), by_topic("new-document", endpoint, heartbeat=10), endpoint)
    house.clock.now += 4_000
    for count in (2, 3):
        house.clock.now += 9_000
        got = await endpoint.wait_for(count)
        house.clock.now += 1_000
        assert told(got[-1])[0]["type"] == "heartbeat"


async def test_status_and_events_tell_what_may_be_seen_now(record: Record, endpoint: Endpoint) -> None:
    house = record.house
    asked = by_topic("new-document", endpoint, f"DocumentReference?patient={record.patient}")
    name = await _activate(house, house.petit(), asked, endpoint)
    written = [await _write(record, f"{number}") for number in (1, 2, 3)]
    await endpoint.wait_for(4)
    await until(lambda: house.behind.count("notice", s=name, st="sent") == 3)
    await _write(record, "2", "MASQUE_PS")
    for url in (
        f"Subscription/{name}/$status",
        f"Subscription/$status?id={name}",
        "Subscription/$status?status=active",
    ):
        bundle = (await house.get(url, house.petit())).json()
        rows = [entry["resource"]["parameter"] for entry in bundle["entry"]]
        stands = {row["name"]: _value(row) for row in next(row for row in rows if name in str(row))}
        assert stands["events-since-subscription-start"] == "3"
        assert (stands["status"], stands["type"], stands["topic"]) == ("active", "query-status", TOPIC + "new-document")
    for query, numbers in (
        ("", [1, 3]),
        ("?eventsSinceNumber=2", [3]),
        ("?eventsUntilNumber=2&content=full-resource", [1]),
    ):
        bundle = (await house.get(f"Subscription/{name}/$events{query}", house.petit())).json()
        shown = [written[number - 1] for number in numbers]
        assert [row["fullUrl"].partition("/fhir/")[2] for row in bundle["entry"][1:]] == shown
        assert ("resource" in bundle["entry"][1]) == ("full" in query)
    stranger = house.someone("regulateur")
    for operation in ("$status", "$events"):
        for key in (name, "0" * 36):
            assert (await house.get(f"Subscription/{key}/{operation}", stranger)).status_code == 404
    assert "entry" not in (await house.get("Subscription/$status", stranger)).json()


async def test_the_statement_names_the_topics(house: House) -> None:
    rows = (await house.get("metadata", {})).json()["rest"][0]["resource"]
    (own,) = [row for row in rows if row["type"] == "Subscription"]
    assert [row["valueCanonical"] for row in own["extension"]] == list(TOPICS)


@pytest.mark.parametrize("query", ["eventsSinceNumber=x", "eventsUntilNumber=-1", "content=much", "other=1"])
async def test_events_are_asked_for_by_number(record: Record, endpoint: Endpoint, query: str) -> None:
    name = await subscribe(record.house, record.house.petit(), by_topic("new-document", endpoint))
    answer = await record.house.get(f"Subscription/{name}/$events?{query}", record.house.petit())
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("unheard", {}), ("new-document", {"heartbeat": 1}), ("new-document", {"content": "much"}),
        ("new-document", {"filter": "Observation?status=final"}), ("new-document", {"filter": "DocumentReference?x=1"}),
    ],
)  # fmt: skip
async def test_a_topic_that_cannot_be_served_is_refused(
    house: House, endpoint: Endpoint, name: str, given: dict[str, Any]
) -> None:
    filters = [given.pop("filter")] if "filter" in given else []
    headers = {**house.petit(), "content-type": FHIR_JSON}
    asked = by_topic(name, endpoint, *filters, **given)
    answer = await house.guarded.client.post("Subscription", json=asked, headers=headers)
    assert answer.status_code == 422, answer.text
    assert answer.json()["issue"][0]["expression"][0].startswith("Subscription.c")
