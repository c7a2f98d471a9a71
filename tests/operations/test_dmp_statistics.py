"""$dmp-statistics: whole cells of ten and more, for administrators and auditors alone, whatever changes afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from pymongo import MongoClient

from fhir_dmp.record.document_type import CLASS
from fhir_dmp.statistics.figures import Opening
from fhir_dmp.store.mongo.statistics import build_opening
from tests.access_http.house import House, document, open_house
from tests.rest.server import FHIR_JSON
from tests.strategies.access import concept

Json = Any
DAY = 24 * 3_600_000
URL = "$dmp-statistics"


def batch(*entries: tuple[str, Json]) -> Json:
    rows = [{"request": {"method": method, "url": f"DocumentReference/{body['id']}"}, "resource": body}
            for method, body in entries]  # fmt: skip
    return {"resourceType": "Bundle", "type": "batch", "entry": rows}


async def feed(house: House, *documents: Json) -> None:
    answer = await house.behind.client.post("", json=batch(*(("PUT", one) for one in documents)))
    assert {row["response"]["status"][:3] for row in answer.json()["entry"]} <= {"200", "201"}, answer.text


def documents(name: str, count: int, code: str = "") -> list[Json]:
    rest: Json = {"category": [concept(CLASS, code)]} if code else {}
    return [document(f"{name}-{number}", "someone", **rest) for number in range(count)]


@pytest.fixture(scope="module")
async def house(mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]) -> AsyncIterator[House]:
    """A house that was fed in the week of 27 May 2024, and had records opened in April and May; now it is 10 June."""
    async with open_house(mongodb_uri, mongodb_client) as opened:
        await feed(opened, *documents("report", 12, "10"), *documents("scan", 9, "31"), *documents("odd", 10, "=1+1"))
        cells = [
            (Opening(date(2024, 4, 1), "76", "pharmacy"), 11), (Opening(date(2024, 4, 1), "27", "pharmacy"), 9),
            (Opening(date(2024, 5, 1), "", "patient"), 10), (Opening(date(2024, 6, 1), "76", "fund"), 50),
        ]  # fmt: skip
        made = [build_opening(cell) for cell, count in cells for _ in range(count)]
        opened.behind.database["opening"].insert_many(made)
        opened.clock.now += 9 * DAY
        yield opened


async def told(house: House, query: str = "", headers: Any = None) -> Json:
    answer = await house.get(f"{URL}{query}", headers or house.guarded.tokens.administrator())
    assert answer.status_code == 200, answer.text
    return answer.json()


def cells(body: Json, name: str) -> list[Sequence[Any]]:
    """The values of each row of a name: codes of Codings."""
    rows = [row["part"] for row in body["parameter"] if row["name"] == name]
    return [tuple(_value(part) for part in row) for row in rows]


def _value(part: Json) -> Any:
    value = next(value for key, value in part.items() if key.startswith("value"))
    return value.get("code", value.get("display")) if isinstance(value, dict) else value


async def test_cells_of_ten_and_more_are_told_and_no_others(house: House) -> None:
    body = await told(house)
    assert cells(body, "records-opened") == [("2024-04", "76", "pharmacy", 11), ("2024-05", "unknown", "patient", 10)]
    assert cells(body, "documents-fed") == [("2024-05-27", "Sans classe", 10), ("2024-05-27", "10", 12)]
    assert "27" not in [row[1] for row in cells(body, "records-opened")]
    displays = [part["valueCoding"].get("display") for row in body["parameter"][2:] for part in row["part"]
                if "valueCoding" in part]  # fmt: skip
    assert {"En pharmacie", "Compte rendu"} <= set(displays)


async def test_a_cell_is_the_same_whatever_days_are_asked_for(house: House) -> None:
    whole = await told(house, "?from=2024-04-01&to=2024-06-10")
    for query in ("?from=2024-04&to=2024-06-02", "?from=2023&to=2024-06-03"):
        part = await told(house, query)
        for name in ("records-opened", "documents-fed"):
            assert set(cells(part, name)) <= set(cells(whole, name))
    assert cells(await told(house, "?from=2024-05-28&to=2024-06-10"), "documents-fed") == []
    assert cells(await told(house, "?from=2024-04-02&to=2024-05-30"), "records-opened") == []


async def test_what_becomes_of_a_document_changes_no_number(house: House) -> None:
    before = cells(await told(house), "documents-fed")
    masked = document("report-0", "someone", "MASQUE_PS", category=[concept(CLASS, "31")])
    await feed(house, masked)
    answer = await house.behind.client.delete("DocumentReference/report-1")
    assert answer.status_code in {200, 204}
    assert cells(await told(house), "documents-fed") == before


async def test_they_are_for_administrators_and_auditors_alone(house: House) -> None:
    tokens = house.guarded.tokens
    assert await told(house, headers=tokens.auditor()) == await told(house)
    others = (house.petit(), tokens.patient("someone"), tokens.hospital("990000010"), tokens.representative("someone"),
              tokens.helper("someone"))  # fmt: skip
    for headers in others:
        for query in ("", "?_format=text/csv", "?from=x"):
            answer = await house.get(f"{URL}{query}", headers)
            assert (answer.status_code, answer.json()["resourceType"]) == (403, "OperationOutcome")


async def test_each_call_is_in_the_trace_and_a_refused_one_too(house: House) -> None:
    for headers, outcome in ((house.guarded.tokens.auditor(), "0"), (house.petit(), "4")):
        before = house.behind.count(ty="AuditEvent")
        await house.get(URL, headers)
        assert house.behind.count(ty="AuditEvent") == before + 1
        events = (await house.behind.client.get(f"AuditEvent?outcome={outcome}&_count=200")).json()["entry"]
        assert [row for row in events if URL in str(row["resource"].get("entity"))]


@pytest.mark.parametrize("sent", [{"params": {"_format": "text/csv"}}, {"headers": {"accept": "text/csv"}}])
async def test_a_table_is_had_by_format_and_by_accept(sent: Json, house: House) -> None:
    headers = {**house.guarded.tokens.administrator(), **sent.pop("headers", {})}
    answer = await house.guarded.client.get(URL, headers=headers, **sent)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.text.splitlines()[1] == "records-opened,2024-04-01,76,pharmacy,,11"
    assert "=1+1" not in answer.text


async def test_a_picture_shows_what_is_told(house: House) -> None:
    answer = await house.get(f"{URL}?_format=image/svg%2Bxml", house.guarded.tokens.administrator())
    assert answer.headers["content-type"] == "image/svg+xml"
    titles = {row.text for row in ET.fromstring(answer.text).iter() if row.tag.endswith("title")}
    assert {"2024-04-01, En pharmacie : 11", "2024-05-27, Compte rendu : 12"} <= titles
    assert not [text for text in titles if text and "Imagerie" in text]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?from=2024-06-01&to=2024-05-01", 400),
        ("?from=2020&to=2024", 400),
        ("?from=yesterday", 400),
        ("?to=9999-12-31", 200),
        ("?from=0001-01-01&to=1970-06", 200),
        ("?from=2099", 200),
        ("?by=sex", 400),
        ("?_format=text/html", 406),
    ],
)
async def test_what_cannot_be_counted_is_refused(query: str, status: int, house: House) -> None:
    assert (await house.get(f"{URL}{query}", house.guarded.tokens.administrator())).status_code == status


async def test_what_has_no_table_is_not_had_as_one(house: House) -> None:
    answer = await house.get("Patient?_format=text/csv", house.guarded.tokens.administrator())
    assert answer.status_code == 406
    answer = await house.guarded.client.post("", json=batch(), headers={**house.guarded.tokens.administrator(),
                                             "content-type": FHIR_JSON, "accept": "text/csv"})  # fmt: skip
    assert answer.status_code == 406
