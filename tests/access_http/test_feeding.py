"""TD0.2: a feeder without consent finds the record to feed by its INS, and learns nothing else; nobody else does."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.access_http.house import Headers, House, Record, consent_of, document, told
from tests.rest.server import FHIR_JSON

Json = Any

INS = "urn:oid:1.2.250.1.213.1.4.10"
FINESS = "750000002"
CLOSED = {
    "url": "https://interop.esante.gouv.fr/ig/fhir/dmp/StructureDefinition/dmp-fermeture",
    "extension": [{"url": "dateFermeture", "valueDateTime": "2024-01-01"}],
}


@pytest.fixture
async def record(house: House) -> Record:
    return await make(house)


def ins_of(record: Record) -> str:
    return f"2550814168{record.patient[1:]:>03}38"


async def make(house: House, **patient: Json) -> Record:
    """A record whose Patient has an INS of his own."""
    record = await house.make_record()
    await house.put({
        "resourceType": "Patient", "id": record.patient, "active": True, "birthDate": "1970-01-01",
        "identifier": [{"system": INS, "value": ins_of(record)}], **patient,
    })  # fmt: skip
    return record


async def ask(house: House, who: Headers, number: str, system: str = INS) -> httpx.Response:
    return await house.get(f"Patient/$dmp-status?identifier={system}|{number}", who)


def status_of(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    parameters = answer.json()["parameter"]
    assert [row["name"] for row in parameters] == ["status"], "nothing else is told"
    return str(parameters[0]["valueCode"])


def feeders(house: House) -> list[Headers]:
    return [house.someone("inconnu"), house.guarded.tokens.hospital(FINESS),
            house.guarded.tokens.practitioner("10000000060", "60")]  # fmt: skip


async def test_whoever_feeds_is_told_that_there_is_a_record(record: Record) -> None:
    for who in feeders(record.house):
        assert status_of(await ask(record.house, who, ins_of(record))) == "valid"
        found = await record.house.get(f"Patient?identifier={INS}|{ins_of(record)}", who)
        assert found.json()["total"] == 0, "which does not let him read it"


@pytest.mark.parametrize("patient", [
    {"active": False}, {"deceasedBoolean": True}, {"extension": [CLOSED]},
], ids=["not active", "deceased", "closed"])  # fmt: skip
async def test_a_closed_record_is_told_like_none(house: House, patient: Json) -> None:
    record = await make(house, **patient)
    for who in feeders(house):
        closed, absent = await ask(house, who, ins_of(record)), await ask(house, who, "100000000000042")
        assert told(closed, ins_of(record)) == told(absent, "100000000000042")
        assert status_of(closed) == "unavailable"


async def test_who_may_not_feed_it_is_told_so(record: Record) -> None:
    rule = {"type": "deny", "action": ["collect"], "actor": ["Practitioner/inconnu"]}
    await record.house.put(consent_of(f"{record.patient}-no", record.patient, rule))
    stranger, hospital, _ = feeders(record.house)
    assert status_of(await ask(record.house, stranger, ins_of(record))) == "forbidden"
    assert status_of(await ask(record.house, hospital, ins_of(record))) == "valid"


async def test_who_does_not_feed_learns_nothing(record: Record) -> None:
    house, tokens = record.house, record.house.guarded.tokens
    others = [
        tokens.patient("somebody"), tokens.representative(record.patient), tokens.helper(record.patient),
        tokens.administrator(), tokens.auditor(),
        house.someone("inconnu", scope="user/*.rs"), house.someone("inconnu", purposes=("HRESCH",)),
        house.someone("inconnu", purposes=()), tokens.practitioner("10000000026", "26"),
        house.someone("petit", specialties=("SM25",)), house.someone("inconnu", scope="user/Observation.rs"),
    ]  # fmt: skip
    for who in others:
        there, absent = await ask(house, who, ins_of(record)), await ask(house, who, "100000000000042")
        assert told(there, ins_of(record)) == told(absent, "100000000000042")
        assert there.status_code == 403


@pytest.mark.parametrize("criterion", [
    "identifier={ins}", "identifier=|{ins}", "identifier=urn:other|{ins}", "identifier=" + INS + "|",
    "identifier=" + INS + "|{ins}," + INS + "|1",
])  # fmt: skip
async def test_less_than_one_whole_ins_finds_nothing(record: Record, criterion: str) -> None:
    target = f"Patient/$dmp-status?{criterion.replace('{ins}', ins_of(record))}"
    answer = await record.house.get(target, record.house.someone("inconnu"))
    assert answer.status_code >= 400 or status_of(answer) == "unavailable"


async def test_two_patients_of_one_ins_are_no_record_to_feed(record: Record) -> None:
    other = await record.house.make_record()
    twin = {"resourceType": "Patient", "id": other.patient, "active": True}
    await record.house.put({**twin, "identifier": [{"system": INS, "value": ins_of(record)}]})
    assert status_of(await ask(record.house, record.house.someone("inconnu"), ins_of(record))) == "unavailable"


async def test_the_patient_sees_who_asked(record: Record) -> None:
    await ask(record.house, record.house.someone("inconnu"), ins_of(record))
    found = await record.house.get(
        f"AuditEvent?patient={record.patient}&agent-name=rpps:10000000009",
        record.house.guarded.tokens.patient(record.patient),
    )
    assert found.json()["total"] == 1


async def feed(house: House, who: Headers, subject: str, author: str) -> httpx.Response:
    made = {**document("x", "x", "N"), "subject": {"reference": subject}, "author": [{"reference": author}]}
    entry = {"resource": made, "request": {"method": "POST", "url": "DocumentReference"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    headers = {**who, "content-type": FHIR_JSON}
    return await house.guarded.client.post("", content=json.dumps(bundle), headers=headers)


async def test_a_feeder_feeds_by_the_ins_alone(record: Record) -> None:
    house, who = record.house, record.house.someone("inconnu")
    answer = await feed(house, who, f"Patient?identifier={INS}|{ins_of(record)}", "Practitioner/inconnu")
    assert answer.status_code == 200, answer.text
    stored = await house.get(answer.json()["entry"][0]["response"]["location"].partition("/fhir/")[2], who)
    assert stored.json()["subject"] == {"reference": f"Patient/{record.patient}"}
    found = await house.get(f"DocumentReference?patient={record.patient}", who)
    assert found.json()["total"] == 1, "his own, and no other"


async def test_what_cannot_be_fed_by_its_ins_is_told_like_nothing(house: House) -> None:
    closed = await make(house, active=False)
    answers = [
        await feed(house, house.someone("inconnu"), f"Patient?identifier={INS}|{number}", "Practitioner/inconnu")
        for number in (ins_of(closed), "100000000000042")
    ]
    assert told(answers[0], ins_of(closed)) == told(answers[1], "100000000000042")
    assert answers[0].status_code == 412


async def test_who_does_not_feed_cannot_resolve_an_ins(record: Record) -> None:
    house = record.house
    answer = await feed(
        house,
        house.guarded.tokens.patient("somebody"),
        f"Patient?identifier={INS}|{ins_of(record)}",
        "Patient/somebody",
    )
    assert answer.status_code == 412


async def test_by_a_name_nobody_feeds(record: Record) -> None:
    answer = await feed(
        record.house, record.house.someone("inconnu"), "Patient?birthdate=1970-01-01", "Practitioner/inconnu"
    )
    assert answer.status_code == 412
