"""Compression both ways, slow and truncated bodies, CORS, keep-alive: what HTTP adds to FHIR.

https://www.rfc-editor.org/rfc/rfc9110#section-8.4, RFC 1952 (gzip), RFC 8878 (zstd), RFC 9659 (its window).
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo import MongoClient
from starlette.types import ASGIApp

from fhir_dmp.outcome import Category, FhirError
from fhir_dmp.rest.compression import THRESHOLD
from fhir_dmp.rest.encoding import Coding, decode, open_compressor
from tests.rest.server import FHIR_JSON, MAX_BODY, OPEN, Pairs, Server, run_server

PATIENT = {
    "resourceType": "Patient",
    "meta": {"profile": ["https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient"]},
    "identifier": [{"system": "urn:test", "value": "1"}],
    "name": [{"family": "Test", "given": ["Ana"]}],
    "birthDate": "1980-01-02",
}
ENCODERS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}
TYPE = ("content-type", FHIR_JSON)


@pytest.mark.parametrize("coding", ENCODERS)
async def test_a_compressed_body_is_the_resource(coding: str, server: Server) -> None:
    body = ENCODERS[coding](json.dumps(PATIENT).encode())
    answer = await server.exchange(
        "POST", "/fhir/Patient", [TYPE, ("content-encoding", coding)], [body[:20], body[20:]]
    )
    assert answer.status == 201
    assert answer.json()["name"] == PATIENT["name"]


@pytest.mark.parametrize("coding", ENCODERS)
async def test_a_body_that_grows_beyond_the_limit_is_too_large(coding: str, server: Server) -> None:
    bomb = ENCODERS[coding](b" " * (512 * 1024 * 1024 if coding == "zstd" else 64 * 1024 * 1024))
    assert len(bomb) < MAX_BODY
    began = time.perf_counter()
    answer = await server.exchange("POST", "/fhir/Patient", [TYPE, ("content-encoding", coding)], [bomb])
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert time.perf_counter() - began < 5, "the bomb went off"


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=5000), parts=st.integers(1, 3), coding=st.sampled_from(Coding))
def test_what_is_compressed_comes_back_from_any_number_of_members(data: bytes, parts: int, coding: Coding) -> None:
    whole = b"".join(_compress(coding, data) for _ in range(parts))
    assert decode(coding, whole, 20_000) == data * parts
    with pytest.raises(FhirError) as caught:
        decode(coding, whole[:-1], 20_000)
    assert caught.value.category is Category.MALFORMED


@settings(max_examples=100, deadline=None)
@given(data=st.binary(min_size=1, max_size=200), coding=st.sampled_from(Coding), head=st.booleans())
def test_any_other_bytes_are_refused_or_decoded(data: bytes, coding: Coding, head: bool) -> None:
    begin = _compress(coding, b"FHIR" * 9)[:9] if head else b""
    try:
        decode(coding, begin + data, 1000)
    except FhirError as fault:
        assert fault.category is Category.MALFORMED  # noqa: PT017  not all bytes are refused


def _compress(coding: Coding, data: bytes) -> bytes:
    compressor = open_compressor(coding)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("gzip", "gzip"), ("zstd", "zstd"), ("gzip, zstd;q=0.5", "zstd"), ("gzip, zstd;q=0", "gzip"), ("*", "zstd"),
     ("br", ""), ("gzip;q=0", ""), ("identity", ""), ("", "")],
)  # fmt: skip
async def test_a_large_answer_is_compressed_as_the_client_takes_it(accepted: str, coding: str, server: Server) -> None:
    headers = [("accept-encoding", accepted)] if accepted else []
    answer = await server.exchange("GET", "/fhir/metadata", headers)
    plain = await server.exchange("GET", "/fhir/metadata")
    assert answer.coding == coding
    assert answer.body == plain.body, "what was decoded is what is sent without coding"
    assert answer.headers["etag"] == plain.headers["etag"], "a weak ETag stands for all codings"
    head = await server.exchange("HEAD", "/fhir/metadata", headers)
    assert ("content-length" in head.headers) is not bool(coding)


async def test_a_small_answer_is_not_compressed(server: Server) -> None:
    answer = await server.exchange("GET", "/fhir/Patient/absent", [("accept-encoding", "gzip, zstd")])
    assert (answer.status, answer.coding) == (404, "")
    assert len(answer.body) < THRESHOLD


async def test_a_compressed_answer_may_be_xml(server: Server) -> None:
    answer = await server.exchange("GET", "/fhir/metadata?_format=xml", [("accept-encoding", "zstd")])
    assert (answer.status, answer.coding) == (200, "zstd")
    assert answer.body.startswith(b"<CapabilityStatement")


async def test_metadata_that_is_known_is_not_sent_again(server: Server) -> None:
    first = await server.exchange("GET", "/fhir/metadata")
    again = await server.exchange("GET", "/fhir/metadata", [("if-none-match", first.headers["etag"])])
    assert (again.status, again.body) == (304, b"")
    assert first.json()["format"] == ["json", "application/fhir+json", "xml", "application/fhir+xml"]


# --- a server of other settings


APP = "https://app.example"


@pytest.fixture(scope="module")
async def other(mongodb_uri: str, mongodb_client: MongoClient[dict[str, Any]]) -> AsyncIterator[Server]:
    async with run_server(mongodb_uri, mongodb_client, None, OPEN, CORS_ORIGINS=APP, BODY_SECONDS="0.3") as running:
        yield running


async def _trickle() -> dict[str, Any]:
    await asyncio.sleep(0.05)
    return {"type": "http.request", "body": b" ", "more_body": True}


async def _send_raw(app: ASGIApp, method: str, headers: Pairs) -> list[Any]:
    """Sends a request whose body never ends."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    rows = [(name.encode(), value.encode()) for name, value in headers]
    scope = {"type": "http", "method": method, "path": "/fhir/Patient", "query_string": b"", "headers": rows}
    await asyncio.wait_for(app(scope, _trickle, send), 5)
    return sent


async def test_a_body_that_trickles_is_cut(other: Server) -> None:
    start, body = await _send_raw(other.app, "POST", [TYPE])
    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]
    assert json.loads(body["body"])["issue"][0]["code"] == "timeout"


async def test_a_body_that_is_cut_off_stores_nothing(other: Server) -> None:
    before = other.count()
    answer = await other.exchange("POST", "/fhir/Patient", [TYPE], [json.dumps(PATIENT).encode()], is_cut=True)
    assert answer.status == 400
    assert other.count() == before


async def test_an_app_of_a_named_origin_may_call_and_see_the_headers(other: Server) -> None:
    answer = await other.exchange("GET", "/fhir/metadata", [("origin", APP)])
    assert answer.headers["access-control-allow-origin"] == APP
    assert {
        "ETag", "Location", "Content-Location", "X-Request-Id", "Content-Range", "X-Progress", "Retry-After"
    } <= set(answer.headers["access-control-expose-headers"].split(", "))  # fmt: skip
    assert "access-control-allow-credentials" not in answer.headers
    sent = "authorization, content-encoding, content-type, if-match, if-range, prefer, range, x-security-context"
    asked = [("origin", APP), ("access-control-request-method", "PUT"), ("access-control-request-headers", sent)]
    start, _ = await _send_raw(other.app, "OPTIONS", asked)
    headers = dict(start["headers"])
    assert (start["status"], headers[b"access-control-allow-origin"]) == (200, APP.encode())


async def test_an_app_of_another_origin_may_not(other: Server, server: Server) -> None:
    for asked in (other, server):
        answer = await asked.exchange("GET", "/fhir/metadata", [("origin", "https://other.example")])
        assert "access-control-allow-origin" not in answer.headers


# --- over a socket


@asynccontextmanager
async def _listening(app: ASGIApp) -> AsyncIterator[int]:
    """The application behind uvicorn, as `serve` runs it; yields the port."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_level="error", proxy_headers=False))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        task = asyncio.create_task(server.serve([listener]))
        yield listener.getsockname()[1]
        server.should_exit = True
        await task


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    found = re.search(rb"content-length: (\d+)", head)
    return int(head.split()[1]), await reader.readexactly(int(found[1]) if found else 0)


async def test_a_connection_takes_one_request_after_another(server: Server) -> None:
    async with _listening(server.app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for path, status in (("Patient/absent", 404), ("metadata", 200), ("Patient?_format=turtle", 406)) * 2:
            writer.write(f"GET /fhir/{path} HTTP/1.1\r\nHost: testserver\r\n\r\n".encode())
            assert (await _answer(reader))[0] == status
        writer.close()
        await writer.wait_closed()


async def test_a_connection_ends_where_a_body_was_left_in_it(server: Server) -> None:
    async with _listening(server.app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = (
            "POST /fhir/Patient HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n"
        )
        writer.write(f"{head}\r\n {{".encode())
        assert (await _answer(reader))[0] == 413
        assert await asyncio.wait_for(reader.read(), 5) == b"", "the connection is closed"
        writer.close()
        await writer.wait_closed()
