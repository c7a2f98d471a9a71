"""An emergency access is told to the patient and to his médecin traitant, once, and to nobody else (CSP R1111-48)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.access_http.house import Headers, House, Record, document, told
from tests.rest.server import FHIR_JSON
from tests.strategies.access import reference

Json = Any


@pytest.fixture
async def record(house: House) -> Record:
    return await house.make_record()


def urgent(house: House, name: str = "inconnu") -> Headers:
    return house.someone(name, purposes=("BTG",), reason="Patient inconscient")


async def notices(record: Record, who: Headers) -> list[Json]:
    found = await record.house.get(f"Communication?patient={record.patient}&_sort=sent", who)
    assert found.status_code == 200, found.text
    return [row["resource"] for row in found.json().get("entry", ())]


def _patient(record: Record) -> Headers:
    return record.house.guarded.tokens.patient(record.patient)


async def test_breaking_the_glass_tells_the_patient_and_the_medecin_traitant_once(record: Record) -> None:
    house, who = record.house, urgent(record.house)
    for target in (f"DocumentReference/{record.open}", f"DocumentReference?patient={record.patient}",
                   f"Patient/{record.patient}"):  # fmt: skip
        assert (await house.get(target, who)).status_code == 200
    mine = await notices(record, _patient(record))
    assert sorted(row["recipient"][0]["reference"] for row in mine) == [
        f"Patient/{record.patient}",
        "Practitioner/martin",
    ]
    own = next(row for row in mine if row["recipient"] == [reference(f"Patient/{record.patient}")])
    assert "bris de glace" in own["payload"][0]["contentString"]
    assert "« Patient inconscient »" in own["payload"][0]["contentString"]
    event = await house.get(own["about"][0]["reference"], _patient(record))
    assert event.json()["outcome"] == "0", "the patient follows the notice to the trace"
    attending = await notices(record, house.someone("martin"))
    assert [row["recipient"][0]["reference"] for row in attending] == ["Practitioner/martin"]
    answer = await house.get(f"Communication/{attending[0]['id']}", house.someone("martin"))
    assert answer.status_code == 200


async def test_the_regulator_of_the_samu_is_told_of_too(record: Record) -> None:
    who = record.house.someone("regulateur", purposes=("ETREAT",), is_regulator=True)
    assert (await record.house.get(f"DocumentReference/{record.open}", who)).status_code == 200
    text = (await notices(record, _patient(record)))[0]["payload"][0]["contentString"]
    assert "régulation du Samu" in text


async def test_another_token_is_another_emergency(record: Record) -> None:
    for _ in range(2):
        await record.house.get(f"DocumentReference/{record.open}", urgent(record.house))
    assert len(await notices(record, record.house.someone("martin"))) == 2


async def test_requests_at_once_leave_one_notice(record: Record) -> None:
    who = urgent(record.house)
    entries = [{"request": {"method": "GET", "url": f"DocumentReference/{record.open}?_elements=status"}}] * 6
    batch = json.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries})
    client = record.house.guarded.client
    answers = await asyncio.gather(
        *(client.post("", content=batch, headers={**who, "content-type": FHIR_JSON}) for _ in range(3))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len(await notices(record, _patient(record))) == 2


async def test_nothing_is_told_where_nothing_was_given_away(record: Record) -> None:
    house = record.house
    assert (await house.get(f"DocumentReference/{record.masked}", urgent(house))).status_code == 404
    await house.get(f"AllergyIntolerance?patient={record.patient}", urgent(house))
    assert (await house.get(f"DocumentReference/{record.open}", house.petit())).status_code == 200
    assert await notices(record, _patient(record)) == []


async def test_notices_are_absent_for_other_professionals_and_helpers(record: Record) -> None:
    house, who = record.house, urgent(record.house)
    await house.get(f"DocumentReference/{record.open}", who)
    others = [house.petit(), house.someone("auteur"), who, house.guarded.tokens.helper(record.patient),
              house.guarded.tokens.hospital("750000002"), house.guarded.tokens.auditor(),
              house.guarded.tokens.patient("somebody-else")]  # fmt: skip
    ids = [row["id"] for row in await notices(record, _patient(record))]
    assert ids
    for other in others:
        assert await notices(record, other) == []
        hidden = told(await house.get(f"Communication/{ids[0]}", other), ids[0])
        absent = "0" * len(ids[0])
        assert hidden == told(await house.get(f"Communication/{absent}", other), absent)
        assert hidden.status == 404


async def test_a_former_medecin_traitant_no_longer_reads_them(record: Record) -> None:
    house = record.house
    await house.get(f"DocumentReference/{record.open}", urgent(house))
    assert len(await notices(record, house.someone("martin"))) == 1
    await house.put({
        "resourceType": "Patient", "id": record.patient, "active": True,
        "generalPractitioner": [reference("Practitioner/auteur")],
    })  # fmt: skip
    assert await notices(record, house.someone("martin")) == []
    assert await notices(record, house.someone("auteur")) == [], "it was not sent to the new one"


async def test_what_is_held_back_from_the_patient_is_not_told_by_the_notice(record: Record) -> None:
    house = record.house
    held = document(f"{record.patient}-held", record.patient, "INVISIBLE_PATIENT", date="2024-05-31T08:00:00Z")
    await house.put(held)
    assert (await house.get(f"DocumentReference/{held['id']}", urgent(house))).status_code == 200
    own = [row for row in await notices(record, _patient(record)) if "about" in row]
    assert own == []
    assert held["id"] not in json.dumps(await notices(record, _patient(record)))


async def test_nobody_writes_a_notice(record: Record) -> None:
    house = record.house
    notice = json.dumps({"resourceType": "Communication", "status": "completed", "id": "x"})
    for who in (_patient(record), house.someone("martin"), house.guarded.tokens.administrator()):
        for method, target in (("POST", "Communication"), ("PUT", "Communication/x"), ("DELETE", "Communication/x")):
            answer = await house.guarded.client.request(
                method, target, content=notice, headers={**who, "content-type": FHIR_JSON}
            )
            assert answer.status_code == 405


@pytest.mark.parametrize(
    "target",
    [
        "DocumentReference?patient={patient}&_summary=count",
        "DocumentReference?patient={patient}&_count=0",
        "DocumentReference/{patient}-open/_history?_count=0",
        "Medication?_has:MedicationRequest:medication:patient={patient}",
        "Medication?_has:MedicationRequest:medication:patient={patient}&_count=0",
    ],
)
async def test_a_number_or_a_way_through_the_record_is_something_too(record: Record, target: str) -> None:
    house, name = record.house, record.patient
    drug = {"resourceType": "Medication", "id": f"{name}-drug", "code": {"text": "x"}}
    order = {"resourceType": "MedicationRequest", "id": f"{name}-order", "status": "active", "intent": "order"}
    await house.put(drug)
    await house.put(
        {**order, "subject": reference(f"Patient/{name}"), "medicationReference": reference(f"Medication/{name}-drug")}
    )
    answer = await house.get(target.format(patient=name), urgent(house))
    assert (answer.status_code, answer.json()["total"]) == (200, 1), answer.text
    assert len(await notices(record, _patient(record))) == 2, "one is his, the other one the médecin traitant's"
    assert not await notices(await house.make_record(), _patient(record))


async def test_a_number_of_nothing_is_nothing(record: Record) -> None:
    house = record.house
    answer = await house.get(f"DocumentReference?patient={record.patient}&type=none&_count=0", urgent(house))
    assert (answer.status_code, answer.json()["total"]) == (200, 0)
    assert not await notices(record, _patient(record))


@pytest.mark.parametrize("contained", ["both", "true&_containedType=contained", "both&_summary=count"])
async def test_an_emergency_opens_the_record_that_a_search_of_what_is_contained_names(
    record: Record, contained: str
) -> None:
    inside = {key: value for key, value in document("c", record.patient).items() if key != "securityLabel"}
    related = [{"code": "appends", "target": reference("#c")}]
    await record.house.put(document(f"{record.patient}-holds", record.patient, contained=[inside], relatesTo=related))
    target = f"DocumentReference?patient={record.patient}&_contained={contained}"
    found = (await record.house.get(target, urgent(record.house))).json()
    assert found["total"]
    assert f"{record.masked}" not in json.dumps(found)
    assert len(await notices(record, _patient(record))) == 2


async def test_what_validation_says_of_a_stored_resource_is_told_as_a_read_is(record: Record) -> None:
    target = f"DocumentReference/{record.open}/$validate"
    assert (await record.house.get(target, urgent(record.house))).status_code == 200
    assert len(await notices(record, _patient(record))) == 2
    found = await record.house.get(f"AuditEvent?patient={record.patient}", _patient(record))
    assert f"DocumentReference/{record.open}" in found.text


async def test_whether_a_stored_resource_can_be_deleted_is_told_as_a_read_is(record: Record) -> None:
    body = json.dumps({"resourceType": "Parameters", "parameter": [{"name": "mode", "valueCode": "delete"}]})
    headers = {**urgent(record.house), "content-type": FHIR_JSON}
    target = f"DocumentReference/{record.open}/$validate"
    assert (await record.house.guarded.client.post(target, content=body, headers=headers)).status_code == 200
    assert len(await notices(record, _patient(record))) == 2


_TEST = [{"op": "test", "path": "/status", "value": "superseded"}]
REFUSED = {
    "an update": ("PUT", "DocumentReference/{}", {}, 403),
    "a conditional update": ("PUT", "DocumentReference?patient={patient}&identifier=urn:x%7C{}", {}, 403),
    "a deletion": ("DELETE", "DocumentReference/{}", {}, 403),
    "a deletion of another version": ("DELETE", "DocumentReference/{}", {"if-match": 'W/"7"'}, 412),
    "an update of nothing": ("PUT", "DocumentReference/{}", {"if-none-match": "*"}, 412),
    "a patch": ("PATCH", "DocumentReference/{}", {}, 403),
    "a patch that asks what is there": ("PATCH", "DocumentReference/{}", {"test": "1"}, 422),
    "a mask": ("POST", "DocumentReference/{}/$dmp-mask", {}, 403),
}
"""What a professional may not do to a document that an emergency shows him."""


@pytest.mark.parametrize("name", REFUSED)
async def test_a_refused_write_that_tells_of_a_document_is_told_as_a_read_is(record: Record, name: str) -> None:
    method, target, headers, status = REFUSED[name]
    for resource in (record.absent, record.masked, record.open):
        assert not await notices(record, _patient(record)), "nothing was given away so far"
        content, kind = _written(record, method, resource, asks="test" in headers)
        answer = await record.house.guarded.client.request(
            method,
            target.replace("{}", resource).replace("{patient}", record.patient),
            content=content,
            headers={**urgent(record.house), "content-type": kind, **headers},
        )
        is_told_apart = status != 412 or "if-none-match" in headers
        assert (answer.status_code == status) == (resource == record.open or not is_told_apart), answer.text
    assert answer.status_code == status, answer.text
    assert len(await notices(record, _patient(record))) == 2, "one is his, the other one the médecin traitant's"


def _written(record: Record, method: str, name: str, *, asks: bool) -> tuple[str, str]:
    if method == "PATCH":
        change = {"op": "replace", "path": "/description", "value": "x"}
        return json.dumps(_TEST if asks else [change]), "application/json-patch+json"
    changed = document(name, record.patient, description="x") if method == "PUT" else {"resourceType": "Parameters"}
    return "" if method == "DELETE" else json.dumps(changed), FHIR_JSON


async def test_what_a_patch_asks_of_a_document_is_in_the_trace(record: Record) -> None:
    """Otherwise it could be read value by value, and nobody would know."""
    headers = {**record.house.petit(), "content-type": "application/json-patch+json"}
    target = f"DocumentReference/{record.open}"
    answer = await record.house.guarded.client.patch(target, content=json.dumps(_TEST), headers=headers)
    assert answer.status_code == 422, answer.text
    found = await record.house.get(f"AuditEvent?patient={record.patient}", _patient(record))
    assert f"{target}/_history/1" in found.text
    assert not await notices(record, _patient(record)), "it was no emergency"
