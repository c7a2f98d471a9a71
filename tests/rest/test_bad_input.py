"""Bad input of every kind is a 4xx with an OperationOutcome, changes nothing, and leaves the server up.

The cases are tests/cases/rest/bad_input.json: one request each, its status, the stable code, and paths in the body.
"""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import quote

import pytest
from pymongo import MongoClient

from tests.rest.server import FHIR_JSON, Server, run_server
from tests.rest.steps import Run, read_table

Json = Any

TABLE = read_table("bad_input")
EXPECTED = ("status", "code", "json")
HEADERS = {"content-type": FHIR_JSON}


@pytest.mark.parametrize("case", TABLE.cases, ids=[case["name"].replace(" ", "-") for case in TABLE.cases])
async def test_bad_input_is_refused_and_changes_nothing(case: Json, server: Server) -> None:
    run = Run(server, TABLE.templates)
    await run.run({"given": {"given": case.get("given", "patient")}, "steps": []})
    before = _count(server)
    step = {key: value for key, value in case.items() if key not in (*EXPECTED, "name", "given")}
    expect = {key: case[key] for key in EXPECTED if key in case}
    statuses = expect["status"] if isinstance(expect["status"], list) else [expect["status"]]
    assert all(400 <= status < 500 for status in statuses)
    await run.step({**step, "expect": expect})
    assert _count(server) == before
    read = await server.client.get(f"Patient/{run.known['given']}")
    assert (read.status_code, read.json()["meta"]["versionId"]) == (200, "1")


def _count(server: Server) -> tuple[int, int]:
    return server.count("resource"), server.count("history")


async def test_a_body_that_breaks_off_is_refused(server: Server) -> None:
    before = _count(server)
    headers = [("content-type", FHIR_JSON), ("content-length", "30")]
    answer = await server.exchange("POST", "/fhir/Patient", headers, [b'{"resourceType":"Pati'], is_cut=True)
    assert (answer.status, answer.json()["issue"][0]["details"]["coding"][0]["code"]) == (400, "body-truncated")
    assert _count(server) == before


async def test_a_resource_larger_than_the_store_holds_is_refused(
    mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]
) -> None:
    async with run_server(mongodb_uri, mongodb_client, MAX_BODY="40000000") as server:
        attachment = {"contentType": "text/plain", "data": "AAAA" * 4_000_000}
        document = {"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": attachment}]}
        bundle = {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"resource": document, "request": {"method": "POST", "url": "DocumentReference"}}],
        }
        for target, body in (("/fhir/DocumentReference", document), ("/fhir", bundle)):
            headers = [("content-type", FHIR_JSON)]
            answer = await server.exchange("POST", target, headers, [json.dumps(body).encode()])
            assert answer.status == 413
            assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "resource-too-large"
        assert _count(server) == (0, 0)


async def test_criteria_in_a_header_may_be_utf8_as_it_is_and_nothing_else(server: Server) -> None:
    unique = uuid.uuid4().hex
    body = json.dumps({"resourceType": "Patient", "name": [{"family": f"Évrard {unique}"}]}).encode()
    before = server.count()
    for coding, status in (("utf-8", 201), ("utf-8", 200), ("latin-1", 400)):
        criteria = f"family:exact=Évrard {unique}".encode(coding).decode("latin-1")
        headers = [("content-type", FHIR_JSON), ("if-none-exist", criteria)]
        answer = await server.exchange("POST", "/fhir/Patient", headers, [body])
        assert answer.status == status, answer.body
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "parameter-encoding"
    assert server.count() == before + 1


HOSTILE = [
    "$where",
    "{$gt: ''}",
    '{"$ne": null}',
    "a.b.c",
    "';return true;//",
    "__proto__",
    "%00",
    "%2e%2e",
    "\\",
    "|",
    "(.*)+$",
    "<script>alert(1)</script>",
    "Robert'); DROP TABLE Students;--",
    "\u202e\u0645",
    "\U0001f469\u200d\u2695\ufe0f",
    "e\u0301",
    "\ufdfa" * 30,
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_text_that_means_something_elsewhere_is_only_a_text_here(server: Server, text: str) -> None:
    unique = uuid.uuid4().hex
    name = [{"family": text, "given": [text]}]
    identifier = [{"system": "urn:test", "value": f"{unique}{text}"}, {"value": unique}]
    patient = {"resourceType": "Patient", "identifier": identifier, "name": name}
    created = await server.client.post("Patient", json=patient, headers=HEADERS)
    assert created.status_code == 201, created.text
    assert created.json()["name"] == name
    escaped = text.replace("\\", "\\\\").replace("|", "\\|").replace(",", "\\,").replace("$", "\\$")
    found = await server.client.get("Patient", params={"identifier": f"urn:test|{unique}{escaped}"})
    assert found.json()["total"] == 1, found.text
    missed = await server.client.get("Patient", params={"identifier": f"urn:test|x{unique}{escaped}"})
    assert missed.json()["total"] == 0
    strict = {"prefer": "handling=strict"}
    strange = await server.client.get("Patient", params={text: "x", "identifier": unique}, headers=strict)
    assert strange.status_code == 400


@pytest.mark.parametrize(
    "literal",
    [
        "1.00",
        "1e2",
        "-0.0",
        "0.00000000000000000000000000000000000000001",
        "1e400",
        "1e-400",
        "1E+6000",
        "9" * 60,
        "0." + "9" * 60,
    ],
)
async def test_a_decimal_of_any_size_is_kept_digit_for_digit(server: Server, literal: str) -> None:
    identifier = uuid.uuid4().hex
    text = (
        f'{{"resourceType":"Observation","id":"{identifier}","status":"final","code":{{"text":"x"}},'
        f'"valueQuantity":{{"value":{literal}}}}}'
    )
    headers = [("content-type", FHIR_JSON)]
    stored = await server.exchange("PUT", f"/fhir/Observation/{identifier}", headers, [text.encode()])
    assert stored.status == 201, stored.body
    read = await server.exchange("GET", f"/fhir/Observation/{identifier}")
    assert f'"value":{literal}}}'.encode() in read.body
    await server.client.delete(f"Observation/{identifier}")


_DEEP = "not (_id eq a and " * 31 + "name ne b" + ")" * 31 + " or _id eq a and _id eq b" * 16


@pytest.mark.parametrize(
    "text",
    [" and ".join(["_id eq a"] * 500), " or ".join(["_id eq a"] * 500), _DEEP],
    ids=["terms", "alternatives", "depth"],
)
async def test_a_filter_as_long_and_as_deep_as_is_taken_is_answered(server: Server, text: str) -> None:
    for url in ("Patient?_filter", "Patient?_contained=both&_filter", "Observation?subject:Patient._filter"):
        answer = await server.client.get(f"{url}={quote(text)}")
        assert (answer.status_code, answer.json()["total"]) == (200, 0), answer.text
