"""Binaries as what they hold: raw bodies, ranges, large contents, and what documents say of them.

https://hl7.org/fhir/R4/binary.html#rest, https://www.rfc-editor.org/rfc/rfc9110#section-14.
"""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha1
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo import AsyncMongoClient, MongoClient

from fhir_dmp.interactions.binary import MAX_WITHIN
from fhir_dmp.rest.ranges import Unsatisfiable, parse_range
from fhir_dmp.store.mongo.sweep import sweep
from tests.rest.server import FHIR_JSON, FHIR_XML, Answer, Server, run_server

Json = Any
SMALL = b"%PDF-1.7 " + bytes(range(256)) * 4
LARGE = bytes(range(251)) * (MAX_WITHIN // 251 + 5000)
CASES = json.loads((Path(__file__).parents[1] / "cases/rest/ranges.json").read_text())
MEMORY = Path(__file__).parent / "binary_memory.py"


@pytest.fixture
async def server(mongodb_uri: str, mongodb_client: MongoClient[Json]) -> AsyncIterator[Server]:
    async with run_server(mongodb_uri, mongodb_client, MAX_BODY=str(64 * 1024 * 1024)) as running:
        yield running


async def upload(server: Server, content: bytes, media_type: str = "application/pdf", **headers: str) -> str:
    """Sends a content as itself and returns the relative URL of its Binary."""
    sent = [("content-type", media_type), *((name.replace("_", "-"), value) for name, value in headers.items())]
    chunks = [content[start : start + 65536] for start in range(0, len(content), 65536)]
    answer = await server.exchange("POST", "/fhir/Binary", sent, chunks)
    assert answer.status == 201, answer.body[:500]
    return answer.headers["location"].removeprefix("http://testserver").partition("/_history")[0]


async def get(server: Server, url: str, *headers: tuple[str, str]) -> Answer:
    return await server.exchange("GET", url, headers)


@pytest.mark.parametrize("content", [b"x", SMALL, LARGE], ids=["one byte", "small", "large"])
async def test_what_was_sent_is_what_is_got(server: Server, content: bytes) -> None:
    url = await upload(server, content)
    answer = await get(server, url)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.body == content
    head = await server.exchange("HEAD", url)
    assert head.headers.get("content-length") == str(len(content))
    resource = (await get(server, url, ("accept", FHIR_JSON))).json()
    assert resource["contentType"] == "application/pdf"
    assert b64decode(resource.get("data", "")) == content
    as_xml = await get(server, url, ("accept", FHIR_XML))
    assert (b64encode(content) in as_xml.body) == (resource.get("data", "") in as_xml.body.decode())


async def test_a_content_may_be_empty(server: Server) -> None:
    answer = await get(server, await upload(server, b""))
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")


async def test_a_large_resource_is_stored_apart_and_comes_back_whole(server: Server) -> None:
    resource = {"resourceType": "Binary", "contentType": "image/png", "data": b64encode(LARGE).decode()}
    created = await server.client.post("Binary", json=resource, headers={"content-type": FHIR_JSON})
    assert created.status_code == 201, created.text[:300]
    assert server.count("content.files") == 1
    url = f"/fhir/Binary/{created.json()['id']}"
    assert (await get(server, url)).body == LARGE
    again = await get(server, url, ("accept", FHIR_JSON))
    changed = {**again.json(), "contentType": "image/jpeg"}
    await server.client.put(url.removeprefix("/fhir/"), json=changed, headers={"content-type": FHIR_JSON})
    newest = await get(server, url)
    assert (newest.headers["content-type"], newest.body == LARGE) == ("image/jpeg", True)
    assert (await get(server, f"{url}/_history/1")).headers["content-type"] == "image/png"
    assert server.count("content.files") == 1, "the same content is stored once"


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
async def test_ranges_are_parts_of_the_content(server: Server, content: bytes) -> None:
    url = await upload(server, content)
    etag = (await get(server, url)).headers["etag"]
    part = await get(server, url, ("range", "bytes=10-1048999"), ("if-range", etag))
    assert part.status == 206
    assert part.body == content[10:1049000]
    assert part.headers["content-range"] == f"bytes 10-{min(1048999, len(content) - 1)}/{len(content)}"
    assert (await get(server, url, ("range", "bytes=-5"))).body == content[-5:]
    assert (await get(server, url, ("range", "bytes=0-0"), ("if-range", '"9"'))).body == content
    assert (await get(server, url, ("range", "bytes=0-0"), ("if-range", f"W/{etag}"))).body == content
    beyond = await get(server, url, ("range", f"bytes={len(content)}-"))
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{len(content)}")
    same = await get(server, url, ("if-none-match", etag))
    # the validator of what was asked for: a weak one would end the ranges of whoever keeps it
    assert (same.status, same.body, same.headers["etag"]) == (304, b"", etag)
    as_resource = await get(server, url, ("if-none-match", etag), ("accept", "application/fhir+json"))
    assert (as_resource.status, as_resource.headers["etag"]) == (304, f"W/{etag}")


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["range"]))
def test_a_range_is_read_as_the_rfc_says(case: Json) -> None:
    if case["part"] == "unsatisfiable":
        with pytest.raises(Unsatisfiable):
            parse_range(case["range"], case["size"])
    else:
        found = parse_range(case["range"], case["size"])
        assert (list(found) if found else None) == case["part"]


@given(st.integers(0, 50), st.integers(0, 60), st.integers(0, 60))
def test_a_range_is_never_outside(size: int, first: int, last: int) -> None:
    try:
        part = parse_range(f"bytes={first}-{last}", size)
    except Unsatisfiable:
        assert first >= size
    else:
        assert part == (None if last < first else (first, min(last + 1, size)))


async def test_the_accept_header_decides_between_content_and_resource(server: Server) -> None:
    url = await upload(server, b"<ClinicalDocument/>", "text/xml")
    for accept, media_type in [
        ("*/*", "text/xml"),
        ("text/html, */*;q=0.8", "text/xml"),
        ("text/xml", "text/xml"),
        ("application/pdf", "text/xml"),
        ("application/json", "application/fhir+json; charset=utf-8"),
        ("application/fhir+xml", "application/fhir+xml; charset=utf-8"),
    ]:
        assert (await get(server, url, ("accept", accept))).headers["content-type"] == media_type, accept
    assert (await get(server, f"{url}?_format=json")).json()["resourceType"] == "Binary"


async def test_the_security_context_comes_in_a_header(server: Server) -> None:
    patient = await server.client.put("Organization/o1", json={"resourceType": "Organization", "id": "o1", "name": "H"})
    assert patient.status_code == 201
    url = await upload(server, SMALL, x_security_context="Organization/o1")
    resource = (await get(server, url, ("accept", FHIR_JSON))).json()
    assert resource["securityContext"] == {"reference": "Organization/o1"}


async def test_a_put_replaces_the_content_and_keeps_the_past(server: Server) -> None:
    url = await upload(server, SMALL)
    sent = [("content-type", "image/png"), ("if-match", 'W/"1"')]
    assert (await server.exchange("PUT", url, sent, [LARGE])).status == 200
    assert (await server.exchange("PUT", url, sent, [LARGE])).status == 412
    assert (await get(server, url)).body == LARGE
    assert (await get(server, f"{url}/_history/1")).body == SMALL


async def test_an_upload_that_is_cut_off_or_too_large_leaves_nothing(
    mongodb_uri: str, mongodb_client: MongoClient[Json]
) -> None:
    async with run_server(mongodb_uri, mongodb_client, MAX_BINARY=str(len(LARGE))) as server:
        sent = [("content-type", "image/png")]
        cut = await server.exchange("POST", "/fhir/Binary", sent, [LARGE[: MAX_WITHIN + 9]], is_cut=True)
        assert (cut.status, cut.json()["issue"][0]["details"]["coding"][0]["code"]) == (400, "body-truncated")
        assert (await server.exchange("POST", "/fhir/Binary", sent, [LARGE, b"x"])).status == 413
        declared = [*sent, ("content-length", str(len(LARGE) + 1))]
        assert (await server.exchange("POST", "/fhir/Binary", declared, [b"x"])).status == 413
        assert [server.count(name) for name in ("content.files", "content.chunks", "resource")] == [0, 0, 0]


async def test_an_upload_that_comes_too_slowly_is_refused(mongodb_uri: str, mongodb_client: MongoClient[Json]) -> None:
    async with run_server(mongodb_uri, mongodb_client, BODY_SECONDS="0.000001") as server:
        slow = await server.exchange("POST", "/fhir/Binary", [("content-type", "image/png")], [b"x", b"y"])
        assert slow.status == 408
        assert server.count("resource") == 0


async def test_the_sweep_takes_what_nobody_names_and_nothing_else(server: Server, mongodb_uri: str) -> None:
    url = await upload(server, LARGE)
    await upload(server, LARGE)
    other = await upload(server, LARGE + b"other")
    await server.exchange("DELETE", url)
    assert server.count("content.files") == 2
    server.database["resource"].delete_one({"_id": other.removeprefix("/fhir/")})
    client = AsyncMongoClient[Json](mongodb_uri)
    try:
        database = client[server.database.name]
        assert await sweep(database) == 0, "all of it is of today"
        # the content that nobody names any more, and the chunks of the second upload of what was here
        assert await sweep(database, timedelta(seconds=-5)) == 2
    finally:
        await client.close()
    assert server.count("content.files") == 1
    assert (await get(server, f"{url}/_history/1")).body == LARGE, "the past names it"


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    ("stated", "expression"),
    [
        ({}, None),
        ({"size": 7}, "DocumentReference.content[0].attachment.size"),
        ({"hash": b64encode(bytes(20)).decode()}, "DocumentReference.content[0].attachment.hash"),
    ],
)
async def test_a_document_is_what_its_reference_says(
    server: Server, content: bytes, stated: Json, expression: str | None
) -> None:
    url = (await upload(server, content)).removeprefix("/fhir/")
    right = {"url": url, "size": len(content), "hash": b64encode(sha1(content).digest()).decode()}
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [{"attachment": {**right, **stated}}],
    }
    answer = await server.client.post("DocumentReference", json=document)
    assert answer.status_code == (422 if expression else 201), answer.text
    if expression:
        assert answer.json()["issue"][0]["expression"] == [expression]
        assert server.count(ty="DocumentReference") == 0


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
async def test_a_content_is_not_replaced_under_a_document_that_says_what_it_is(server: Server, content: bytes) -> None:
    url = await upload(server, SMALL)
    stated = {"url": url.removeprefix("/fhir/"), "hash": b64encode(sha1(SMALL).digest()).decode()}
    document = {"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": stated}]}
    created = (await server.client.post("DocumentReference", json=document)).json()
    other = [("content-type", "image/png")]
    refused = await server.exchange("PUT", url, other, [content + b"other"])
    assert refused.status == 422
    issue = refused.json()["issue"][0]
    assert (issue["details"]["coding"][0]["code"], issue["expression"]) == ("attachment-hash", ["Binary.data"])
    assert (await get(server, url)).body == SMALL
    assert (await server.exchange("PUT", url, other, [SMALL])).status == 200, "the same content is no other"
    # both together are right again
    data = b64encode(b"both").decode()
    binary = {"resourceType": "Binary", "id": url.rpartition("/")[2], "contentType": "text/plain", "data": data}
    anew = {**created, "content": [{"attachment": {**stated, "hash": b64encode(sha1(b"both").digest()).decode()}}]}
    entries = [
        {"resource": row, "request": {"method": "PUT", "url": f"{row['resourceType']}/{row['id']}"}}
        for row in (binary, anew)
    ]
    answer = await server.client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 200, answer.text
    assert (await get(server, url)).body == b"both"


CITED: Json = {"resourceType": "DocumentReference", "status": "current"}


async def cite(server: Server, url: str) -> str:
    """A document whose content is at a relative URL, as `[type]/[id]`."""
    content = [{"attachment": {"url": url.removeprefix("/fhir/")}}]
    answer = await server.client.post("DocumentReference", json={**CITED, "content": content})
    assert answer.status_code == 201, answer.text
    return f"DocumentReference/{answer.json()['id']}"


def bundle_of(*entries: Json) -> Json:
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


@pytest.mark.parametrize("way", ["by id", "by criteria", "in a transaction", "in a batch"])
async def test_a_content_is_not_deleted_under_a_document(server: Server, way: str) -> None:
    url = await upload(server, SMALL)
    document, binary = await cite(server, url), url.removeprefix("/fhir/")
    wanted = binary.replace("/", "?_id=") if way == "by criteria" else binary

    async def delete() -> tuple[int, Json]:
        if not way.startswith("in a"):
            answer = await server.client.delete(wanted)
            return answer.status_code, answer.json() if answer.content else None
        bundle = bundle_of({"request": {"method": "DELETE", "url": wanted}}) | {"type": way.removeprefix("in a ")}
        answer = await server.client.post("", json=bundle)
        if answer.status_code != 200:
            return answer.status_code, answer.json()
        told = answer.json()["entry"][0]["response"]
        return int(told["status"][:3]), told.get("outcome")

    status, outcome = await delete()
    assert status == 409
    assert (outcome["issue"][0]["code"], outcome["issue"][0]["details"]["coding"][0]["code"]) == (
        "conflict", "content-cited",
    )  # fmt: skip
    assert (await get(server, url)).body == SMALL
    assert (await server.client.delete(document)).status_code == 204
    assert (await delete())[0] == 204
    assert (await get(server, url)).status == 410


@pytest.mark.parametrize("is_last", [True, False])
async def test_a_content_is_deleted_together_with_its_documents(server: Server, *, is_last: bool) -> None:
    url = await upload(server, SMALL)
    documents = [await cite(server, url) for _ in range(2)]
    entries = [{"request": {"method": "DELETE", "url": name}} for name in (url.removeprefix("/fhir/"), *documents)]
    one = await server.client.post("", json=bundle_of(*entries[:2]))
    assert (one.status_code, one.json()["issue"][0]["expression"]) == (409, ["Bundle.entry[0]"]), (
        "the other has it still"
    )
    assert server.count(ty="DocumentReference") == 2
    both = await server.client.post("", json=bundle_of(*(entries[::-1] if is_last else entries)))
    assert both.status_code == 200, both.text
    assert (await get(server, url)).status == 410


async def test_a_content_is_deleted_together_with_a_change_to_another(server: Server) -> None:
    url, other = await upload(server, SMALL), await upload(server, b"other")
    name = await cite(server, url)
    changed = {**CITED, "id": name.partition("/")[2]}
    asked = [{"request": {"method": "DELETE", "url": url.removeprefix("/fhir/")}}]
    for target, status in ((url, 409), (other, 200)):
        row = {**changed, "content": [{"attachment": {"url": target.removeprefix("/fhir/")}}]}
        answer = await server.client.post(
            "", json=bundle_of(*asked, {"resource": row, "request": {"method": "PUT", "url": name}})
        )
        assert answer.status_code == status, answer.text
    assert (await get(server, url)).status == 410


async def test_a_document_that_comes_with_its_content_is_checked_against_it(server: Server) -> None:
    def bundle(size: int) -> Json:
        binary = {"resourceType": "Binary", "contentType": "text/plain", "data": b64encode(b"abc").decode()}
        attachment = {"url": "urn:uuid:11111111-1111-4111-8111-111111111111", "size": size}
        document = {"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": attachment}]}
        rows = [("Binary", binary, "1"), ("DocumentReference", document, "2")]
        entries = [
            {
                "fullUrl": f"urn:uuid:{n * 8}-{n * 4}-4{n * 3}-8{n * 3}-{n * 12}",
                "resource": resource,
                "request": {"method": "POST", "url": kind},
            }
            for kind, resource, n in rows
        ]
        return {"resourceType": "Bundle", "type": "transaction", "entry": entries}

    wrong = await server.client.post("", json=bundle(4))
    assert wrong.status_code == 422
    assert wrong.json()["issue"][0]["expression"][0].endswith("attachment.size")
    assert server.count() == 0
    assert (await server.client.post("", json=bundle(3))).status_code == 200


def test_a_large_content_passes_without_being_held_in_memory(mongodb_uri: str) -> None:
    command = [sys.executable, str(MEMORY), mongodb_uri, "192"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, cwd=MEMORY.parents[2])
    figures = json.loads(done.stdout)
    assert figures["bytes"] == 192 * 1024 * 1024
    assert figures["grown"] < 96 * 1024 * 1024, figures
