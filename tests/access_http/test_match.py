"""Patient/$match over HTTP: French identities, and that a stranger learns nothing by it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.access_http.house import House, Record
from tests.rest.server import FHIR_JSON

Json = Any
NIR = "urn:oid:1.2.250.1.213.1.4.8"
NUMBER = {"system": NIR, "value": "255088002102521"}
NAMED: Json = {"name": [{"use": "official", "family": "Lefèbvre-Durand", "given": ["Jeanne"]},
                        {"use": "usual", "family": "Martin", "given": ["Jeanne"]}]}  # fmt: skip
BORN: Json = {"birthDate": "1955-08-12", "gender": "female"}


@pytest.fixture(scope="module")
async def record(house: House) -> Record:
    await house.make_record(name=[{"family": "Durand", "given": ["Paul"]}], birthDate="1955-08-12")
    return await house.make_record(**NAMED, **BORN, identifier=[NUMBER])


async def ask(house: House, who: Mapping[str, str], patient: Json, **inputs: Json) -> Any:
    parts = [{"name": "resource", "resource": {"resourceType": "Patient", **patient}}]
    parts += [
        {"name": name, f"value{'Boolean' if value is True else 'Integer'}": value} for name, value in inputs.items()
    ]
    body = json.dumps({"resourceType": "Parameters", "parameter": parts})
    return await house.guarded.client.post("Patient/$match", content=body, headers={**who, "content-type": FHIR_JSON})


@pytest.mark.parametrize(
    ("patient", "grade"),
    [
        ({"identifier": [NUMBER]}, "certain"),
        ({"identifier": [NUMBER], **NAMED, **BORN}, "certain"),
        ({"identifier": [NUMBER], "birthDate": "1960-01-01"}, "probable"),
        ({"name": [{"family": "LEFEBVRE DURAND", "given": ["JEANNE"]}], **BORN}, "probable"),
        ({"name": [{"family": "martin", "given": ["jeanne"]}], **BORN}, "probable"),
        ({"name": [{"family": "martin", "given": ["jeanne"]}], **BORN, "birthDate": "1955-12-08"}, "possible"),
        ({"name": [{"family": "martin", "given": ["jeanne"]}], **BORN, "birthDate": "1955-08-13"}, None),
        ({"name": [{"family": "Nobody", "given": ["jeanne"]}], **BORN}, None),
    ],
)
async def test_an_identity_is_found_and_graded(patient: Json, grade: str | None, record: Record) -> None:
    answer = await ask(record.house, record.house.petit(), patient)
    assert answer.status_code == 200, answer.text
    found = [row for row in answer.json().get("entry", ()) if row["resource"]["id"] == record.patient]
    assert [row["search"]["extension"][0]["valueCode"] for row in found] == ([grade] if grade else [])
    assert all(0 < row["search"]["score"] <= 1 for row in found)


@pytest.mark.parametrize("patient", [{"identifier": [NUMBER]}, {**NAMED, **BORN}])
async def test_a_stranger_learns_nothing(patient: Json, record: Record) -> None:
    other = {"identifier": [{"system": NIR, "value": "155088002102521"}]} if "identifier" in patient else {
        "name": [{"family": "Nobody"}], **BORN}  # fmt: skip
    stranger = record.house.someone("inconnu")
    answers = [await ask(record.house, stranger, asked) for asked in (patient, other)]
    assert answers[0].status_code == 200
    assert answers[0].text == answers[1].text
    assert "entry" not in answers[0].json()


async def test_only_one_certain_match_is_certain(house: House, record: Record) -> None:
    wanted = {"identifier": [NUMBER], **BORN}
    found = (await ask(house, house.petit(), wanted, onlyCertainMatches=True)).json()
    assert [row["resource"]["id"] for row in found["entry"]] == [record.patient]
    probable = {"name": [{"family": "martin", "given": ["jeanne"]}], **BORN}
    assert "entry" not in (await ask(house, house.petit(), probable, onlyCertainMatches=True)).json()
    await house.make_record(**NAMED, **BORN, identifier=[NUMBER])
    assert "entry" not in (await ask(house, house.petit(), wanted, onlyCertainMatches=True)).json()
    assert len((await ask(house, house.petit(), wanted, count=1)).json()["entry"]) == 1


@pytest.mark.parametrize("patient", [{}, {"name": [{"family": "Martin"}]}, BORN, {"birthDate": "yesterday"}])
async def test_too_little_is_refused(patient: Json, house: House) -> None:
    assert (await ask(house, house.petit(), patient)).status_code == 400


@pytest.mark.parametrize(
    "patient",
    [
        {"identifier": [{"system": NIR, "value": f"{number:015}"} for number in range(101)]},
        {"name": [{"family": f"Nom{number}"} for number in range(101)], **BORN},
    ],
    ids=["numbers", "names"],
)
async def test_an_identity_of_more_traits_than_a_person_has_is_refused(patient: Json, house: House) -> None:
    answer = await ask(house, house.petit(), patient)
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "search-too-costly"
