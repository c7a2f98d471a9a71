"""The trace of what was done with an item is as visible as the item, and that of a content is its document's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.access_http.house import Headers, House, Record, document
from tests.rest.server import FHIR_JSON
from tests.strategies.access import coding, reference

Json = Any

HELD = {"author": "Practitioner/petit", "date": "2024-05-31T08:00:00Z"}
"""Of a document that Dr Petit deposits; held back, it opens after the tests are over."""


@pytest.fixture
async def record(house: House) -> Record:
    """A child's: his parents represent him."""
    return await house.make_record(birthDate="2014-01-01")


async def send(house: House, who: Headers, method: str, target: str, body: Json = None) -> Json:
    headers = {**who, "content-type": FHIR_JSON}
    content = json.dumps(body) if body is not None else None
    answer = await house.guarded.client.request(method, target, content=content, headers=headers)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


async def deposit(record: Record, *labels: str, **rest: Json) -> str:
    """Dr Petit's document: its id."""
    made = {**document("x", record.patient, *labels, "R", **HELD), **rest}
    without = {key: value for key, value in made.items() if key not in {"id", "identifier"}}
    return str((await send(record.house, record.house.petit(), "POST", "DocumentReference", without))["id"])


async def deposit_content(record: Record, *labels: str) -> str:
    """The id of a Binary that Dr Petit's document cites."""
    made = {"resourceType": "Binary", "contentType": "text/plain", "data": "YQ=="}
    content = str((await send(record.house, record.house.petit(), "POST", "Binary", made))["id"])
    attachment = {"contentType": "text/plain", "url": f"Binary/{content}"}
    await deposit(record, *labels, content=[{"attachment": attachment}])
    return content


async def traced(record: Record, who: Headers, name: str) -> list[str]:
    """What was done, as far as someone reads in the trace, with what has this id."""
    found = await send(record.house, who, "GET", f"AuditEvent?patient={record.patient}&_sort=_lastUpdated&_count=100")
    events = [row["resource"] for row in found.get("entry", ())]
    return [event["subtype"][0]["code"] for event in events if name in json.dumps(event)]


@pytest.mark.parametrize(
    ("system", "code"),
    [
        ("vis", "INVISIBLE_REPRESENTANTS_LEGAUX"),
        ("vis", "INVISIBLE_REP_LEGAUX"),
        ("vis", "CONNEXION_SECRETE"),
        ("vis", "invisible_representants_legaux"),
        ("act", "INVISIBLE_REPRESENTANTS_LEGAUX"),
    ],
)
async def test_what_is_hidden_from_representatives_in_any_spelling_is_hidden_in_the_trace(
    record: Record, system: str, code: str
) -> None:
    house, name = record.house, f"{record.patient}-secret"
    await house.put({**document(name, record.patient), "securityLabel": [{"coding": [coding(f"{system}|{code}")]}]})
    parent = house.guarded.tokens.representative(record.patient)
    assert (await house.get(f"DocumentReference/{name}", house.someone("martin"))).status_code == 200
    assert (await house.get(f"DocumentReference?patient={record.patient}", house.someone("martin"))).status_code == 200
    assert await traced(record, house.guarded.tokens.patient(record.patient), name) == ["read", "search-type"]
    assert not await traced(record, parent, name)


async def test_that_something_held_back_was_deleted_is_hidden_in_the_trace_too(record: Record) -> None:
    house, petit = record.house, record.house.petit()
    name = await deposit(record, "INVISIBLE_PATIENT")
    await send(house, petit, "DELETE", f"DocumentReference/{name}")
    assert (await house.get(f"DocumentReference/{name}", petit)).status_code == 410
    assert (await house.get(f"DocumentReference/{name}/_history", petit)).status_code == 200
    everything = ["create", "delete", "read", "history-instance"]
    assert await traced(record, house.someone("martin"), name) == everything
    assert not await traced(record, house.guarded.tokens.patient(record.patient), name)


async def test_who_read_a_content_is_in_the_trace_of_the_patient(record: Record) -> None:
    house, content = record.house, await deposit_content(record)
    assert (await house.get(f"Binary/{content}", house.someone("martin"))).status_code == 200
    assert (await house.get(f"Binary/{content}", house.someone("inconnu"))).status_code == 404
    assert await traced(record, house.guarded.tokens.patient(record.patient), content) == ["read", "read"]


async def test_who_read_the_content_of_what_is_held_back_is_not(record: Record) -> None:
    house, content = record.house, await deposit_content(record, "INVISIBLE_PATIENT")
    assert (await house.get(f"Binary/{content}", house.someone("martin"))).status_code == 200
    assert await traced(record, house.someone("martin"), content) == ["read"]
    assert not await traced(record, house.guarded.tokens.patient(record.patient), content)


async def test_breaking_the_glass_for_a_content_alone_tells_the_patient(record: Record) -> None:
    house, content = record.house, await deposit_content(record)
    urgent = house.someone("inconnu", purposes=("BTG",), reason="Patient inconscient")
    assert (await house.get(f"Binary/{content}", urgent)).status_code == 200
    mine = house.guarded.tokens.patient(record.patient)
    # one of the notices is his, the other one the médecin traitant's
    assert (await send(house, mine, "GET", f"Communication?patient={record.patient}"))["total"] == 2


async def test_who_looks_through_a_record_from_what_is_in_none_is_in_its_trace(record: Record) -> None:
    house, drug = record.house, f"{record.patient}-drug"
    about = {"subject": reference(f"Patient/{record.patient}"), "medicationReference": reference(f"Medication/{drug}")}
    await house.put({"resourceType": "Medication", "id": drug, "code": {"text": "x"}})
    order = {"resourceType": "MedicationRequest", "id": f"{drug}-order", "status": "active", "intent": "order"}
    await house.put({**order, **about})
    target = f"Medication?_has:MedicationRequest:medication:patient={record.patient}"
    assert (await house.get(target, house.petit())).json()["total"] == 1
    assert (await house.get(target, house.someone("inconnu"))).json()["total"] == 0
    mine = house.guarded.tokens.patient(record.patient)
    assert await traced(record, mine, "Medication?_has") == ["search-type", "search-type"]
